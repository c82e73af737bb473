"""The page's style: one sheet within the page, light and dark, narrow and wide."""

STYLE = """
:root{--bg:#f6f5f2;--card:#fff;--ink:#1d2326;--soft:#66717a;--line:#e3e1da;--accent:#1f6f66;--ok:#2c7a4b;--bad:#b3261e;
--warn:#9a6700;--badbg:#fbe9e7;--warnbg:#fdf3d8}
@media(prefers-color-scheme:dark){:root{--bg:#15191b;--card:#1e2427;--ink:#e8eaea;--soft:#9aa5ab;--line:#30383c;
--accent:#5cc2b3;--ok:#6cc48d;--bad:#ff8a80;--warn:#e6b94d;--badbg:#3a2220;--warnbg:#37301c}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.45 system-ui,-apple-system,"Segoe UI",sans-serif}
header,main,footer{max-width:1180px;margin:0 auto;padding:0 16px}
header{display:flex;flex-wrap:wrap;align-items:baseline;gap:4px 18px;padding-top:22px;padding-bottom:6px}
h1{font-size:22px;margin:0;letter-spacing:-.01em}
h1 small{font-weight:400;color:var(--soft);font-size:15px;margin-left:8px}
h2{font-size:13px;text-transform:uppercase;letter-spacing:.06em;color:var(--soft);margin:26px 0 8px;font-weight:600}
h3{font-size:16px;margin:0}a{color:var(--accent)}nav{display:flex;flex-wrap:wrap;gap:2px 14px;font-size:14px}
.soft{color:var(--soft)}.num{font-variant-numeric:tabular-nums}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(310px,1fr));gap:12px}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px 16px;min-width:0;
overflow-wrap:anywhere}
.card.firing{border-left:4px solid var(--bad)}
.top{display:flex;justify-content:space-between;gap:10px;align-items:baseline}
.chip{font-size:12px;font-weight:600;padding:1px 8px;border-radius:99px;border:1px solid var(--line);color:var(--soft);
white-space:nowrap}
.chip.ok{color:var(--ok)}.chip.firing,.chip.quarantined{color:var(--bad);background:var(--badbg);border-color:transparent}
.chip.pending,.chip.insufficient,.chip.immature{color:var(--warn);background:var(--warnbg);border-color:transparent}
.meta{font-size:13px;color:var(--soft);margin:2px 0 8px}
dl{display:flex;flex-wrap:wrap;gap:8px 22px;margin:8px 0 6px}dt{font-size:12px;color:var(--soft)}
dd{margin:0;font-size:19px;font-weight:600;font-variant-numeric:tabular-nums}
svg{display:block;width:100%;height:38px;margin:6px 0 2px}polyline{fill:none;stroke:var(--accent);stroke-width:1.6;
vector-effect:non-scaling-stroke;stroke-linejoin:round}
details{margin-top:6px;font-size:13px}summary{cursor:pointer;color:var(--soft)}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:13px}
th{text-align:left;font-weight:600;color:var(--soft);font-size:12px}th,td{padding:4px 10px 4px 0;vertical-align:top;
border-bottom:1px solid var(--line)}td.num,th.num{text-align:right}
.alert{background:var(--badbg);border-radius:10px;padding:10px 14px;margin:6px 0;overflow-wrap:anywhere}
.alert.pending{background:var(--warnbg)}.calm{background:var(--card);border:1px solid var(--line);border-radius:10px;
padding:10px 14px;color:var(--soft)}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(310px,1fr));gap:12px}
footer{padding-top:22px;padding-bottom:30px;font-size:13px;color:var(--soft)}
"""
