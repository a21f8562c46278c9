# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the page looks: light or dark, as the browser says."""

from __future__ import annotations

STYLE = """
:root {
  --ground: #f3f5f7; --card: #fff; --ink: #16202a; --quiet: #54616e; --line: #d4dae0; --box: #fafbfc;
  --ok: #14733f; --ok-bg: #e0f4e8; --busy: #1559b3; --busy-bg: #e1edfc; --warn: #8a5200; --warn-bg: #fff0cc;
  --bad: #b3121d; --bad-bg: #fde3e4; --off: #5b6672; --off-bg: #e9ecef; --flow: #6a35c2; --on: #fff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #11161b; --card: #1a2128; --ink: #e8edf2; --quiet: #9aa7b4; --line: #36414c; --box: #1f272f;
    --ok: #5fd08f; --ok-bg: #15362a; --busy: #77b2ff; --busy-bg: #172f4f; --warn: #ffc252; --warn-bg: #43320d;
    --bad: #ff8087; --bad-bg: #501b21; --off: #9aa7b4; --off-bg: #2a323a; --flow: #bd98ff; --on: #11161b;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 16px; max-width: 1480px; background: var(--ground); color: var(--ink);
  font: 15px/1.45 system-ui, "DejaVu Sans", "Helvetica Neue", Arial, sans-serif; }
header { display: flex; gap: 18px; align-items: center; padding: 18px 22px; border-radius: 12px; color: var(--on); }
header.ok { background: var(--ok); } header.busy { background: var(--busy); } header.warn { background: var(--warn); }
header.bad { background: var(--bad); }
header h1 { margin: 0; font-size: 26px; line-height: 1.25; } header p { margin: 4px 0 0; }
header .sign { font-size: 46px; font-weight: bold; line-height: 1; }
body.stale header { outline: 4px dashed var(--bad); outline-offset: 3px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); gap: 12px; margin: 12px 0; }
.tile { background: var(--card); border: 1px solid var(--line); border-top: 5px solid; border-radius: 10px;
  padding: 10px 14px; display: flex; flex-direction: column; }
.tile span { color: var(--quiet); font-size: 13px; } .tile strong { font-size: 20px; line-height: 1.3; }
.tile.ok { border-top-color: var(--ok); } .tile.warn { border-top-color: var(--warn); }
.tile.bad { border-top-color: var(--bad); background: var(--bad-bg); } .tile.off { border-top-color: var(--off); }
.tile.ok strong { color: var(--ok); } .tile.warn strong { color: var(--warn); }
.tile.bad strong { color: var(--bad); } .tile.off strong { color: var(--off); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 14px 18px;
  margin: 0 0 12px; }
h2 { margin: 0 0 8px; font-size: 19px; } h3 { margin: 14px 0 6px; font-size: 15px; }
small { color: var(--quiet); font-size: 12px; font-weight: normal; } code { font-size: 12px; }
.problems { list-style: none; margin: 0; padding: 0; }
.problems li { display: flex; gap: 10px; padding: 7px 10px; border-radius: 8px; margin-bottom: 5px; }
.problems .sign { width: 1.2em; text-align: center; flex: none; } .problems div { overflow-wrap: anywhere; }
.problems .bad { background: var(--bad-bg); } .problems .warn { background: var(--warn-bg); }
.problems .busy { background: var(--busy-bg); } .problems .off { background: var(--off-bg); }
.problems .bad .sign { color: var(--bad); } .problems .warn .sign { color: var(--warn); }
.problems .busy .sign { color: var(--busy); }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 6px 10px 6px 0; border-bottom: 1px solid var(--line); }
th { color: var(--quiet); font-size: 12px; font-weight: 600; } td:first-child { white-space: nowrap; }
.notes { margin: 8px 0 0; font-size: 13px; }
.pill { display: inline-block; white-space: nowrap; padding: 1px 9px; border-radius: 11px;
  font-size: 13px; margin: 1px 0; }
.pill.ok { background: var(--ok-bg); color: var(--ok); }
.pill.busy { background: var(--busy-bg); color: var(--busy); }
.pill.warn { background: var(--warn-bg); color: var(--warn); }
.pill.bad { background: var(--bad-bg); color: var(--bad); }
.pill.off { background: var(--off-bg); color: var(--off); }
figure { margin: 0 0 12px; } figcaption { display: flex; flex-wrap: wrap; gap: 4px 20px; color: var(--quiet);
  font-size: 13px; padding-top: 8px; }
figcaption .ok b { color: var(--ok); } figcaption .busy b { color: var(--busy); }
figcaption .warn b { color: var(--warn); }
figcaption .bad b { color: var(--bad); } figcaption .flow b { color: var(--flow); }
svg { display: block; width: 100%; height: auto; margin: 0 auto; }
svg text { font-size: 13px; fill: var(--ink); }
svg .big { font-size: 18px; font-weight: bold; } svg .strong { font-weight: bold; } svg .small { font-size: 12px; }
svg .quiet { fill: var(--quiet); } svg .end { text-anchor: end; } svg .mid { text-anchor: middle; }
svg text.ok { fill: var(--ok); } svg text.busy { fill: var(--busy); } svg text.warn { fill: var(--warn); }
svg text.bad { fill: var(--bad); } svg text.off { fill: var(--off); }
svg .glyph { fill: var(--on); font-weight: bold; font-size: 14px; text-anchor: middle; }
svg .badge.ok { fill: var(--ok); } svg .badge.busy { fill: var(--busy); } svg .badge.warn { fill: var(--warn); }
svg .badge.bad { fill: var(--bad); } svg .badge.off { fill: var(--off); }
svg .site { fill: var(--box); stroke: var(--line); stroke-width: 1.5; }
svg .site.dark { fill: none; stroke: var(--bad); stroke-dasharray: 8 6; }
svg .member, svg .vip, svg .label { stroke-width: 1.5; }
svg rect.ok { fill: var(--ok-bg); stroke: var(--ok); } svg rect.busy { fill: var(--busy-bg); stroke: var(--busy); }
svg rect.warn { fill: var(--warn-bg); stroke: var(--warn); }
svg rect.bad { fill: var(--bad-bg); stroke: var(--bad); stroke-width: 2.5; }
svg rect.off { fill: var(--off-bg); stroke: var(--off); stroke-dasharray: 4 4; }
svg rect.vip.ok { fill: var(--card); stroke: var(--flow); }
svg .line { fill: none; stroke-width: 2.5; } svg .line.ok { stroke: var(--ok); }
svg .line.bad { stroke: var(--bad); stroke-dasharray: 9 7; stroke-width: 3.5; }
svg .line.warn { stroke: var(--warn); stroke-dasharray: 14 5; }
svg .line.off { stroke: var(--off); stroke-dasharray: 2 6; }
svg .line.flow { stroke: var(--flow); stroke-width: 3; } svg .head.flow { fill: var(--flow); }
svg .head.ok { fill: var(--ok); } svg .head.bad { fill: var(--bad); } svg .head.warn { fill: var(--warn); }
svg .head.off { fill: var(--off); }
"""

SCRIPT = """
(function () {
  var seen = Date.parse(document.querySelector("time").dateTime);
  function tell() {
    var minutes = Math.floor((Date.now() - seen) / 60000);
    if (!(minutes > 0)) { return; }
    var words = minutes < 120 ? minutes + " min ago" : Math.floor(minutes / 60) + " h ago";
    var stale = minutes >= 5;
    document.getElementById("age").textContent = "(" + words + (stale ? ": OLD, run status.yml again)" : ")");
    document.body.classList.toggle("stale", stale);
  }
  tell();
  setInterval(tell, 30000);
})();
"""
"""Says how old the page is: one that was left open shows a cluster of then."""
