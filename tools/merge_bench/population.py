# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Keystone of any size, as SQL: the statements that fill what ``keystone-manage db_sync`` made.

Every statement fills a table with one SELECT over MariaDB's engine of sequences, so that a million rows take seconds.
Everything is computed from a seed and a row's number: the same stack is the same to the byte each time. Ids have the
forms of Keystone's (32 hexadecimal digits, 64 for users of LDAP and of federation, and for EC2 credentials), texts its
usual lengths, hashes those of bcrypt and encrypted blobs those of Fernet. What bootstrap and installers make has the
same names in every stack and other ids; all other names carry the name of the stack.
"""

# The statements hold nothing but numbers and names from here.
# ruff: noqa: S608

from __future__ import annotations

from dataclasses import dataclass

SERVICES = {
    "keystone": "identity",
    "nova": "compute",
    "glance": "image",
    "neutron": "network",
    "cinder": "volumev3",
    "heat": "orchestration",
    "placement": "placement",
    "swift": "object-store",
    "barbican": "key-manager",
}
"""Types of services by name; all but the first have a user."""

ROLES = ("admin", "manager", "member", "reader", "service", "creator", "swiftoperator", "heat_stack_owner")
"""Roles that every stack has, each with an id of its own."""

GRANTED = (3, 3, 3, 4, 4, 3, 6, 7, 8, 9, 10, 11)
"""Numbers of the roles that assignments grant: mostly member and reader, sometimes one that only this stack has."""

OWN_ROLES = 3
DOMAINS = 20
"""Domains of a stack with the default one."""

LEVELS = (0.4, 0.3, 0.15, 0.1, 0.05)
"""Which part of the projects is how deep in the trees."""

BECOME_ONE = {
    "project": 4,
    "role": len(ROLES),
    "role_option": 5,
    "implied_role": 3,
    "service": len(SERVICES),
    "user": len(SERVICES),
    "local_user": len(SERVICES),
    "password": len(SERVICES),
    "assignment": len(SERVICES),
    "system_assignment": 1,
}
"""Rows of each table that become one with those of another stack: what bootstrap and installers make everywhere."""

FIRST = 100
"""Auto-increment ids below are those of the users that installers make."""


@dataclass(frozen=True)
class Sizes:
    """How many rows; the defaults are those of the issue's large cloud, about a million rows in all."""

    users: int = 100_000
    projects: int = 10_000
    assignments: int = 500_000

    @property
    def groups(self) -> int:
        """One group for each fifty users."""
        return self.users // 50

    def part(self, number: int) -> Sizes:
        """The same cloud, so many times smaller."""
        return Sizes(self.users // number, self.projects // number, self.assignments // number)


@dataclass(frozen=True)
class Stack:
    """One Keystone to be made; *seed* makes other ids of the same rows."""

    name: str
    sizes: Sizes
    seed: int = 1

    @property
    def region(self) -> str:
        """Its region."""
        return f"region_{self.name}"

    def mark(self, kind: str, number: str | int, digest: str = "MD5({})") -> str:
        """An expression that differs for each kind and number (an expression too)."""
        return digest.format(f"CONCAT('{self.name}/{self.seed}/{kind}/',{number})")

    def long(self, kind: str, number: str | int) -> str:
        """The same with 64 digits."""
        return self.mark(kind, number, "SHA2({},256)")

    def words(self, kind: str, number: str | int, length: int) -> str:
        """Random characters of base64, at most 76 times as many as parts are needed."""
        parts = [
            f"LEFT(TO_BASE64(UNHEX({self.mark(f'{kind}{part}', number, 'SHA2({},512)')})),{min(76, length - part)})"
            for part in range(0, length, 76)
        ]
        return f"CONCAT({','.join(parts)})"

    def password_hash(self, kind: str, number: str | int) -> str:
        """What bcrypt makes."""
        return f"CONCAT('$2b$12$',REPLACE({self.words(kind, number, 53)},'+','.'))"

    def user(self, number: str | int) -> str:
        """Id of a user: those of LDAP and of federation have digests."""
        return f"IF(({number}) % 25 = 0 OR ({number}) % 50 = 1,{self.long('user', number)},{self.mark('user', number)})"

    def domain(self, number: str | int) -> str:
        """Id of the domain of a user or group: half of them are in the default one."""
        other = self.mark("domain", f"1 + ({number}) % {DOMAINS - 1}")
        return f"IF(({number}) % 2 = 0,'default',{other})"

    def project(self, number: str | int) -> str:
        """Id of a project."""
        return self.mark("project", number)

    def role(self, number: str | int) -> str:
        """Id of a role, from 1."""
        return self.mark("role", number)

    def granted(self, number: str | int) -> str:
        """Id of the role that an assignment grants."""
        return self.role(f"ELT(1 + ({number}) % {len(GRANTED)},{','.join(map(str, GRANTED))})")


def _fill(table: str, rows: int, values: str, columns: str = "", where: str = "", first: int = 1) -> str:
    """Fill a table from the sequence *first* .. *rows*, whose number is ``n`` in *values*."""
    into = f"`{table}` ({columns})" if columns else f"`{table}`"
    condition = f" WHERE {where}" if where else ""
    return f"INSERT INTO {into} SELECT {values} FROM (SELECT seq AS n FROM seq_{first}_to_{rows}) AS numbers{condition}"


def statements(stack: Stack) -> list[str]:
    """All statements, in order, for a database as db_sync leaves it."""
    return [
        *_built_in(stack),
        *_projects(stack),
        *_users(stack),
        *_assignments(stack),
        *_credentials(stack),
        *_catalog(stack),
        *_federation(stack),
        *_rest(stack),
    ]


def _built_in(stack: Stack) -> list[str]:
    """What bootstrap and an installer make."""
    found = [
        "INSERT INTO project VALUES ('default','Default','{}','The default one',1,'<<keystone.domain.root>>',NULL,1)",
        f"INSERT INTO region VALUES ('{stack.region}','',NULL,'{{}}')",
    ]
    for number, name in enumerate(("admin", "service"), 1):
        found.append(
            f"INSERT INTO project SELECT {stack.mark('built-in', number)},'{name}','{{}}','Made by the installer',1,"
            "'default','default',0"
        )
    for number, name in enumerate([*ROLES, *(f"{stack.name}-role{own}" for own in range(OWN_ROLES))], 1):
        found.append(f"INSERT INTO role SELECT {stack.role(number)},'{name}','{{}}','<<null>>',NULL")
        if number <= 5:
            found.append(f"INSERT INTO role_option SELECT {stack.role(number)},'IMMU','true'")
    found.append(f"INSERT INTO role SELECT {stack.role('0')},'local',NULL,{stack.mark('domain', 1)},'of one domain'")
    for prior, implied in ((1, 2), (2, 3), (3, 4), (9, 4)):
        found.append(f"INSERT INTO implied_role SELECT {stack.role(prior)},{stack.role(implied)}")
    for number, name in enumerate(["admin", *list(SERVICES)[1:]], 1):
        id_, project = stack.mark("built-in user", number), stack.mark("built-in", 1 if number == 1 else 2)
        password = stack.password_hash("built-in", number)
        found += [
            f"INSERT INTO user SELECT {id_},'{{}}',1,NULL,'2020-01-01',NULL,'default'",
            f"INSERT INTO local_user SELECT {number},{id_},'default','{name}',0,NULL",
            f"INSERT INTO password SELECT {number},{number},NULL,0,{password},1577836800000000,NULL,'2020-01-01'",
            f"INSERT INTO assignment SELECT 'UserProject',{id_},{project},{stack.role(1)},0",
        ]
    admin = stack.mark("built-in user", 1)
    found.append(f"INSERT INTO system_assignment SELECT 'UserSystem',{admin},'system',{stack.role(1)},0")
    return found


def _projects(stack: Stack) -> list[str]:
    """Domains, and trees of projects in them."""
    name = stack.name
    found = [
        _fill(
            "project",
            DOMAINS - 1,
            f"{stack.mark('domain', 'n')},CONCAT('{name}-domain-',n),'{{}}',CONCAT('Bereich für Größe ',n),1,"
            "'<<keystone.domain.root>>',NULL,1",
        )
    ]
    columns = "id,name,extra,description,enabled,domain_id,parent_id,is_domain"
    description = (
        "ELT(1 + n % 4,'',CONCAT('Project ',n,' of a team: sandbox, tests and what else it needs'),"
        "CONCAT('Projekt für Überprüfung № ',n),CONCAT('開発環境 ',n,' 検証用プロジェクト'))"
    )
    extra = """IF(n % 10 = 0,CONCAT('{"cost_center": "',n % 997,'", "owner": "team-',n % 211,'@example.com"}'),'{}')"""
    begin, above = 1, 0
    for level, part in enumerate(LEVELS):
        last = stack.sizes.projects if level == len(LEVELS) - 1 else begin + int(part * stack.sizes.projects) - 1
        label = f"CONCAT('{name}-project-',n)"
        if level == 0:
            values = (
                f"{stack.project('n')},{label},{extra},{description},n % 50 <> 0,{stack.domain('n')},"
                f"{stack.domain('n')},0"
            )
            found.append(_fill("project", last, values, columns, first=begin))
        else:
            parent = stack.project(f"{above} + (n * 7) % {begin - above}")
            found.append(
                f"INSERT INTO project ({columns}) SELECT {stack.project('n')},{label},{extra},{description},"
                f"n % 50 <> 0,above.domain_id,above.id,0 FROM (SELECT seq AS n FROM seq_{begin}_to_{last}) AS numbers "
                f"JOIN project AS above ON above.id = {parent}"
            )
        begin, above = last + 1, begin
    projects = stack.sizes.projects
    found += [
        _fill("project_tag", projects, f"{stack.project('n')},ELT(1 + n % 5,'prod','test','Größe-L','開発','eu-west')"),
        _fill("project_tag", projects, f"{stack.project('n')},CONCAT('cost-center-',n % 997)"),
        _fill("project_option", projects // 20, f"{stack.project('n * 20')},'IMMU','true'"),
    ]
    return found


def _users(stack: Stack) -> list[str]:
    """Users of every sort, their passwords and options, and groups."""
    users, groups, name = stack.sizes.users, stack.sizes.groups, stack.name
    user, local = stack.user("n"), "n % 25 <> 0 AND n % 50 <> 1"
    extra = (
        "ELT(1 + n % 4,'{}',"
        f"""CONCAT('{{"email": "user',n,'@{name}.example.com"}}'),"""
        f"""CONCAT('{{"email": "user',n,'@{name}.example.com", "description": "Abteilung \\\\u00dcbersicht ',n % 97,"""
        """'"}'),"""
        f"""CONCAT('{{"description": "\\\\u958b\\\\u767a ',n % 89,'", "email": "user',n,'@{name}.example.com", """
        """"phone": "+49 30 ',1000000 + n,'"}'))"""
    )
    # A few have a default project that was deleted: Keystone leaves that behind.
    default = (
        f"IF(n % 3 = 0,IF(n % 2001 = 0,MD5(CONCAT('gone',n)),{stack.project(project_of('n', 0, stack.sizes))}),NULL)"
    )
    created = "TIMESTAMP('2019-01-01') + INTERVAL n * 37 MINUTE"
    label = f"CONCAT(ELT(1 + n % 8,'anna','bob','Müller','karl.otto','Иванов','佐藤','o''brien','zoë'),'.',n,'@{name}')"
    return [
        _fill(
            "user",
            users,
            f"{user},{extra},n % 40 <> 0,{default},{created},IF(n % 5 < 3,DATE('2026-01-01') - INTERVAL n % 900 DAY,"
            f"NULL),{stack.domain('n')}",
        ),
        _fill(
            "local_user",
            users,
            f"{FIRST} + n,{user},{stack.domain('n')},{label},n % 3,IF(n % 3 = 0,NULL,{created})",
            where=local,
        ),
        _fill(
            "password",
            users,
            f"{FIRST} + n,{FIRST} + n,IF(n % 30 = 2,'2030-01-01',NULL),n % 2,{stack.password_hash('password', 'n')},"
            f"1577836800000000 + n,IF(n % 30 = 2,1893456000000000,NULL),{created}",
            where=local,
        ),
        # An earlier password of some, which Keystone keeps to forbid it.
        _fill(
            "password",
            users // 15,
            f"{FIRST + users} + n,{FIRST} + 15 * n + 2,'2023-01-01',0,{stack.password_hash('earlier', 'n')},"
            "1546300800000000 + n,1672531200000000,'2019-01-01'",
            where=f"15 * n + 2 <= {users} AND (15 * n + 2) % 25 <> 0 AND (15 * n + 2) % 50 <> 1",
        ),
        _fill(
            "user_option",
            users // 5,
            f"""{stack.user("n * 5")},ELT(1 + n % 4,'1000','1001','1002','MFAR'),"""
            """IF(n % 4 = 3,'[["password", "totp"], ["password"]]','true')""",
        ),
        _fill("nonlocal_user", users, f"{stack.domain('n')},{label},{user}", where="n % 25 = 0"),
        _fill(
            "id_mapping",
            users,
            f"{user},{stack.domain('n')},CONCAT('uid=user',n,',ou=people,dc={name},dc=example,dc=com'),'user'",
            where="n % 25 = 0",
        ),
        _fill(
            "group",
            groups,
            f"{stack.mark('group', 'n')},{stack.domain('n')},CONCAT('{name}-group-',n),"
            "CONCAT('Gruppe für Überprüfung № ',n),'{}'",
        ),
        # Two users of five are in one group, one of them in another too.
        _fill(
            "user_group_membership",
            users * 3 // 5,
            f"{stack.user(f'1 + (n - 1) % {users * 2 // 5}')},"
            f"{stack.mark('group', f'1 + (n * 13 + (n - 1) DIV {users * 2 // 5} * 701) % {groups}')}",
        ),
    ]


def project_of(user: str | int, turn: str | int, sizes: Sizes) -> str:
    """Number of the project that a user's assignment of that turn is on: other turns are on others."""
    return f"1 + (({user}) * 17 + ({turn}) * {sizes.projects // 7}) % {sizes.projects}"


def _assignments(stack: Stack) -> list[str]:
    """All kinds of assignments: distinct, and as many as asked for, beside those of the installer."""
    sizes = stack.sizes
    groups = sizes.groups
    of_groups, of_domains, of_group_domains = groups * 30, sizes.users * 3 // 20, groups * 2
    of_users = sizes.assignments - of_groups - of_domains - of_group_domains
    turn = f"((n - 1) DIV {sizes.users})"
    user = f"1 + (n - 1) % {sizes.users}"
    group = f"1 + (n - 1) % {groups}"
    group_turn = f"((n - 1) DIV {groups})"
    return [
        _fill(
            "assignment",
            of_users,
            f"'UserProject',{stack.user(user)},{stack.project(project_of(user, turn, sizes))},"
            f"{stack.granted('n * 5')},0",
        ),
        _fill(
            "assignment",
            of_groups,
            f"'GroupProject',{stack.mark('group', group)},"
            f"{stack.project(f'1 + (({group}) * 31 + {group_turn}) % {sizes.projects}')},"
            f"{stack.granted('n')},n % 9 = 0",
        ),
        _fill(
            "assignment",
            of_domains,
            f"'UserDomain',{stack.user('n * 3')},{stack.mark('domain', f'1 + n % {DOMAINS - 1}')},"
            f"{stack.granted('n')},n % 2",
        ),
        _fill(
            "assignment",
            of_group_domains,
            f"'GroupDomain',{stack.mark('group', group)},"
            f"{stack.mark('domain', f'1 + (n + {group_turn}) % {DOMAINS - 1}')},{stack.granted('n')},{group_turn}",
        ),
        _fill("system_assignment", 200, f"'UserSystem',{stack.user('n * 7')},'system',{stack.role('1 + n % 4')},0"),
    ]


def _credentials(stack: Stack) -> list[str]:
    """What users make for themselves."""
    users, sizes = stack.sizes.users, stack.sizes
    some, few = users // 5, users // 20
    blob = f"CONCAT('gAAAAABm',REPLACE(REPLACE({stack.words('blob', 'n', 212)},'+','-'),'/','_'))"
    return [
        _fill(
            "credential",
            some,
            f"IF(n % 4 = 0,{stack.mark('credential', 'n')},{stack.long('credential', 'n')}),{stack.user('n * 4')},"
            f"IF(n % 4 = 0,NULL,{stack.project(project_of('n * 4', 0, sizes))}),IF(n % 4 = 0,'totp','ec2'),'{{}}',"
            f"SHA1('{stack.name}'),{blob}",
        ),
        _fill(
            "application_credential",
            some,
            f"n,{stack.mark('application credential', 'n')},"
            "CONCAT(ELT(1 + n % 3,'ci','terraform','backup-für-'),n % 7),"
            f"{stack.password_hash('application credential', 'n')},IF(n % 3 = 0,'made by the pipeline',NULL),"
            f"{stack.user('n * 3')},{stack.project(project_of('n * 3', 0, sizes))},"
            "IF(n % 4 = 0,1893456000000000 + n,NULL),NULL,n % 20 = 0",
        ),
        _fill("application_credential_role", some, f"n,{stack.role(3)}"),
        _fill("application_credential_role", some // 2, f"n * 2,{stack.role('4 + n % 5')}"),
        _fill(
            "access_rule",
            few,
            "n,ELT(1 + n % 3,'compute','image','object-store'),CONCAT('/v2.1/servers/',n % 13,'/**'),"
            f"ELT(1 + n % 2,'GET','POST'),{stack.mark('access rule', 'n')},{stack.user('n * 12')}",
        ),
        _fill("application_credential_access_rule", few, "n * 4,n"),
        _fill(
            "trust",
            few,
            f"{stack.mark('trust', 'n')},{stack.user('n * 9')},{stack.user('n * 9 + 4')},"
            f"{stack.project(project_of('n * 9', 0, sizes))},n % 2,NULL,IF(n % 3 = 0,'2031-05-01',NULL),"
            "IF(n % 7 = 0,3,NULL),'{}',IF(n % 3 = 0,1935360000000000,NULL),NULL,0",
        ),
        _fill("trust_role", few, f"{stack.mark('trust', 'n')},{stack.role(3)}"),
        _fill("trust_role", few // 2, f"{stack.mark('trust', 'n * 2')},{stack.role(4)}"),
        _fill("consumer", 20, f"{stack.mark('consumer', 'n')},'of a portal',{stack.mark('secret', 'n')},'{{}}'"),
        _fill(
            "access_token",
            few // 50,
            f"{stack.mark('access token', 'n')},{stack.mark('secret', 'n')},{stack.user('n')},"
            f"{stack.project('n')},CONCAT({stack.role(3)},',',{stack.role(4)}),"
            f"{stack.mark('consumer', '1 + n % 20')},NULL",
        ),
    ]


def _catalog(stack: Stack) -> list[str]:
    """Services and endpoints, and what is tied to them."""
    found = []
    for number, (name, kind) in enumerate(SERVICES.items(), 1):
        found.append(
            f"""INSERT INTO service SELECT {stack.mark("service", number)},'{kind}',1,"""
            f"""'{{"name": "{name}", "description": "OpenStack {kind}"}}'"""
        )
        found.extend(
            f"INSERT INTO endpoint SELECT {stack.mark(interface, number)},NULL,'{interface}',"
            f"{stack.mark('service', number)},'https://{interface}.{stack.name}.example.com:{8000 + number}/v3',"
            f"'{{}}',1,'{stack.region}'"
            for interface in ("public", "internal", "admin")
        )
    filters = f"""CONCAT('{{"service_id": "',{stack.mark("service", 2)},'", "region_id": "{stack.region}"}}')"""
    limits = stack.sizes.projects // 2
    return [
        *found,
        _fill("endpoint_group", 5, f"{stack.mark('endpoint group', 'n')},CONCAT('{stack.name}-',n),NULL,{filters}"),
        _fill("project_endpoint", 500, f"{stack.mark('public', 2)},{stack.project('n')}"),
        _fill("project_endpoint_group", 500, f"{stack.mark('endpoint group', '1 + n % 5')},{stack.project('n')}"),
        _fill("policy", 3, f"{stack.mark('policy', 'n')},'application/json','{{\"admin_required\": []}}','{{}}'"),
        _fill(
            "policy_association",
            3,
            f"{stack.mark('association', 'n')},{stack.mark('policy', 'n')},NULL,{stack.mark('service', 'n')},"
            f"'{stack.region}'",
        ),
        _fill(
            "registered_limit",
            10,
            f"{stack.mark('registered limit', 'n')},{stack.mark('service', '2 + n % 3')},'{stack.region}',"
            "CONCAT('resource_',n),10 * n,'Grenze für alle',n",
        ),
        _fill(
            "limit",
            limits,
            f"{stack.mark('limit', 'n')},{stack.project('1 + (n - 1) DIV 10')},n % 100,NULL,n,"
            f"{stack.mark('registered limit', '1 + n % 10')},NULL",
        ),
    ]


def _federation(stack: Stack) -> list[str]:
    """An identity provider with its users."""
    users, name, domain = stack.sizes.users, stack.name, stack.mark("domain", 1)
    rules = (
        """CONCAT('[{"local": [{"user": {"name": "{0}"}}, {"group": {"id": "',"""
        f"""{stack.mark("group", 1)},'"}}}}], "remote": [{{"type": "REMOTE_USER"}}]}}]')"""
    )
    return [
        f"INSERT INTO identity_provider SELECT '{name}-idp',1,'Anmeldung für alle',{domain},60",
        f"INSERT INTO idp_remote_ids VALUES ('{name}-idp','https://idp.{name}.example.com')",
        f"INSERT INTO mapping SELECT '{name}-mapping',{rules},'1.0'",
        f"INSERT INTO federation_protocol VALUES ('openid','{name}-idp','{name}-mapping',NULL)",
        f"INSERT INTO service_provider VALUES ('https://x.example.com/auth','{name}-sp',1,NULL,'https://x','ss:mem:')",
        _fill(
            "federated_user",
            users,
            f"n,{stack.user('n')},'{name}-idp','openid',CONCAT('user',n,'@idp.{name}.example.com'),CONCAT('Zoë ',n)",
            where="n % 50 = 1",
        ),
        _fill(
            "expiring_user_group_membership",
            users // 100,
            f"{stack.user('n * 50 + 1')},{stack.mark('group', f'1 + n % {stack.sizes.groups}')},"
            f"'{name}-idp','2026-01-01'",
        ),
    ]


def _rest(stack: Stack) -> list[str]:
    """Revocations and the configuration of domains."""
    revoked = "TIMESTAMP('2026-01-01') + INTERVAL n * 3 SECOND"
    return [
        _fill(
            "revocation_event",
            stack.sizes.users // 5,
            f"n,NULL,IF(n % 3 = 0,{stack.project(project_of('n', 0, stack.sizes))},NULL),{stack.user('n')},"
            f"NULL,NULL,NULL,NULL,{revoked},NULL,{revoked},"
            f"IF(n % 2 = 0,LEFT({stack.words('audit', 'n', 30)},22),NULL),NULL",
        ),
        _fill(
            "whitelisted_config",
            DOMAINS - 1,
            f"""{stack.mark("domain", "n")},'ldap','url',CONCAT('"ldap://ldap',n,'.example.com"')""",
        ),
        _fill("sensitive_config", DOMAINS - 1, f"""{stack.mark("domain", "n")},'ldap','password','"secret"'"""),
    ]
