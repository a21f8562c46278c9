# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the report looks: like the page of the stretched cluster's state, with a colour for each stack."""

from __future__ import annotations

from ansible_collections.stretch.cluster.plugins.module_utils.stretch_status.style import STYLE as BASE

COLOURS = 5
"""How many stacks have a colour of their own."""

STYLE = (
    BASE
    + """
:root { --s1: #2a6fc9; --s2: #c96a0a; --s3: #0c8268; --s4: #8549c4; --s5: #c0356f; --held: #7d8894; }
@media (prefers-color-scheme: dark) {
  :root { --s1: #6aa8f5; --s2: #f0a04b; --s3: #3fc3a2; --s4: #b98cf0; --s5: #f07fac; --held: #8c98a4; }
}
.s1 { --c: var(--s1); } .s2 { --c: var(--s2); } .s3 { --c: var(--s3); } .s4 { --c: var(--s4); } .s5 { --c: var(--s5); }
.held { --c: var(--held); }
body.report { max-width: 1280px; overflow-wrap: anywhere; }
header.off { background: var(--off); }
header h1 { text-wrap: balance; }
.tile.plain { border-top-color: var(--line); } .tile.busy { border-top-color: var(--busy); }
.tiles { grid-template-columns: repeat(auto-fit, minmax(165px, 1fr)); }
.tile strong { font-variant-numeric: tabular-nums; }
nav { display: flex; flex-wrap: wrap; gap: 2px 18px; margin: 0 4px 12px; font-size: 14px; }
a { color: var(--busy); text-decoration: none; } a:hover { text-decoration: underline; }
.card { padding: 16px 20px 18px; } .card > p { margin: 8px 0; max-width: 85ch; }
.card ul { margin: 6px 0; padding-left: 20px; } .card li { margin: 3px 0; }
h2 { scroll-margin-top: 12px; }
code { font: 12.5px/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
pre { margin: 8px 0 0; padding: 12px 14px; background: var(--box); border: 1px solid var(--line); border-radius: 8px;
  overflow: auto; max-height: 30em; font: 12.5px/1.6 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
table { border-collapse: separate; border-spacing: 0; }
th { vertical-align: bottom; white-space: nowrap; } tbody tr:last-child td { border-bottom: 0; }
th, td { padding: 6px 16px 6px 0; } th:last-child, td:last-child { padding-right: 0; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.wide { overflow-wrap: normal;
  background: linear-gradient(to left, var(--card) 30%, transparent) right / 40px 100% no-repeat local,
  linear-gradient(to left, var(--line), transparent) right / 12px 100% no-repeat scroll; }
td:first-child, th:first-child { position: sticky; left: 0; background: var(--card); }
.names { table-layout: fixed; min-width: 900px; } .names td { overflow-wrap: anywhere; }
.names td:first-child { white-space: normal; } th.ids { width: 330px; }
.names code { overflow-wrap: normal; white-space: nowrap; }
.names b { font-weight: 600; }
.stacks td { white-space: nowrap; }
.none { color: var(--quiet); }
.odd { font: 600 10.5px/1 ui-monospace, "DejaVu Sans Mono", monospace; color: var(--warn); background: var(--warn-bg);
  border-radius: 3px; padding: 1px 3px; margin: 0 1px; white-space: nowrap; }
header .odd { color: var(--ink); background: var(--card); }
bdi { unicode-bidi: isolate; }
details { border-top: 1px solid var(--line); padding: 8px 0; } details:first-of-type { border-top: 0; }
summary { cursor: pointer; padding: 2px 0; } details[open] > summary { margin-bottom: 6px; }
.rest { color: var(--quiet); margin: 8px 0 0; }
.notice { display: flex; gap: 12px; background: var(--warn-bg); border-radius: 8px; padding: 10px 14px; }
.notice .sign { color: var(--warn); } .notice span, header div { min-width: 0; }
.dot { display: inline-block; width: 11px; height: 11px; border-radius: 3px; background: var(--c); margin-right: 8px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 20px; font-size: 13px; color: var(--quiet); }
.swatch { display: inline-block; vertical-align: -1px; width: 22px; height: 11px; border-radius: 3px;
  background: var(--c); margin-right: 7px; }
.bar { display: flex; gap: 1px; min-width: 110px; height: 13px; margin: 5px 12px 0 0; border-radius: 3px;
  overflow: hidden; background: var(--box); }
.bar i { background: var(--c); min-width: 4px; flex-basis: 0; }
.tables th:nth-child(2), .time th:nth-child(2) { width: 38%; }
.some { --c: var(--quiet); }
.one { background: repeating-linear-gradient(135deg, var(--c) 0 2px, transparent 2px 5px) !important; }
.gone { background: var(--off-bg) !important; outline: 1px dashed var(--off); outline-offset: -1px; }
.bar.time i { --c: var(--busy); flex: none; border-radius: 3px; }
svg.flow { max-width: none; overflow: visible; } svg.narrow { display: none; }
figure { margin: 10px 0 4px; }
.flow .band { fill: var(--c); fill-opacity: 0.32; } .flow .aside { fill-opacity: 0.6; }
.flow rect { fill: var(--c); } .flow rect.merged { fill: var(--ink); } .flow rect.aside { fill: var(--quiet); }
.flow .name { font-size: 15px; font-weight: 600; } .flow .note { font-size: 13px; fill: var(--quiet); }
@media (max-width: 720px) {
  body.report { padding: 8px; } header { padding: 14px; gap: 12px; } header h1 { font-size: 20px; }
  header .sign { font-size: 34px; } .card { padding: 12px 14px; }
  .tiles { grid-template-columns: repeat(2, 1fr); gap: 8px; } .tile { padding: 8px 10px; }
  .tile strong { font-size: 17px; }
  svg.wide { display: none; } svg.narrow { display: block; }
  .names th:first-child { width: 110px; }
}
@media print {
  body.report { max-width: none; padding: 0; background: none; font-size: 12px; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  nav { display: none; } .card { border: 0; padding: 8px 0; } .wide { overflow: visible; }
  .names { min-width: 0; } th.ids { width: 30%; } code { font-size: 10px; white-space: normal !important; }
  .legend { break-after: avoid; } tr, .tile, figure, pre { break-inside: avoid; } h2, summary { break-after: avoid; }
  details::details-content { content-visibility: visible; block-size: auto; }
  pre { max-height: none; white-space: pre-wrap; }
}
"""
)
