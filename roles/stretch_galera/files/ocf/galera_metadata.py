# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The resource agent's description of itself."""

META_DATA = """<?xml version="1.0"?>
<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">
<resource-agent name="galera" version="1.0">
<version>1.0</version>
<longdesc lang="en">
One member of a Galera cluster that stretches over several Pacemaker clusters, each of which runs its own members.

Promoted: a member of the Primary component. Unpromoted: the position of the member's data is known; it waits, or joins.
Who bootstraps is decided from the reports of all members of all sites, which their clustercheck gives. What the member
waits for is shown as the exit reason of its monitor, with the code of a degraded resource, which is no failure.
</longdesc>
<shortdesc lang="en">Member of a Galera cluster over several sites</shortdesc>
<parameters>
<parameter name="config" unique="0" required="0">
<longdesc lang="en">Directory with my.cnf, members.json, report.key, environment.json and tls.</longdesc>
<shortdesc lang="en">Directory of the configuration</shortdesc>
<content type="string" default="/etc/stretch-galera"/>
</parameter>
<parameter name="datadir" unique="1" required="0">
<longdesc lang="en">Data directory; the socket mysql.sock is in it.</longdesc>
<shortdesc lang="en">Data directory</shortdesc>
<content type="string" default="/var/lib/mysql"/>
</parameter>
<parameter name="state" unique="1" required="0">
<longdesc lang="en">Directory where the agent notes what it knows, and an operator's declarations are.</longdesc>
<shortdesc lang="en">Directory of the state</shortdesc>
<content type="string" default="/var/lib/stretch-galera-state"/>
</parameter>
<parameter name="log" unique="1" required="0">
<longdesc lang="en">Log of the server.</longdesc>
<shortdesc lang="en">Log of the server</shortdesc>
<content type="string" default="/var/log/mysql/mysqld.log"/>
</parameter>
<parameter name="user" unique="0" required="0">
<longdesc lang="en">User that the server runs as.</longdesc>
<shortdesc lang="en">User of the server</shortdesc>
<content type="string" default="mysql"/>
</parameter>
</parameters>
<actions>
<action name="start" timeout="120s"/>
<action name="stop" timeout="300s"/>
<action name="promote" timeout="60s"/>
<action name="demote" timeout="60s"/>
<action name="monitor" timeout="60s" interval="2s" role="Unpromoted" depth="0"/>
<action name="monitor" timeout="60s" interval="10s" role="Promoted" depth="0"/>
<action name="meta-data" timeout="5s"/>
<action name="validate-all" timeout="30s"/>
</actions>
</resource-agent>
"""
