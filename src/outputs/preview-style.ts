/** The style of the report page. Light only, one column; printed on A4 or Letter with the marking on every page. */
export const previewStyle = `
:root { color-scheme: light; --text: #14191e; --soft: #55606b; --line: #c9d0d7; --warn: #8a4b00; --bad: #b3261e; --link: #0b5a8f }
* { box-sizing: border-box }
body { margin: 0; background: #fff; color: var(--text); font: 15px/22px Inter, "Noto Sans CJK JP", "Noto Sans CJK SC", system-ui, sans-serif; font-variant-numeric: tabular-nums }
main { width: 880px; max-width: 100%; margin: 0 auto; padding: 22px 28px 32px }
p { margin: 0; overflow-wrap: anywhere }
a { color: var(--link); white-space: nowrap }
h1 { font-size: 20px; line-height: 26px; margin: 14px 0 6px; overflow-wrap: anywhere }
h2 { font-size: 13px; line-height: 18px; letter-spacing: .06em; text-transform: uppercase; color: var(--soft); margin: 24px 0 0; padding-bottom: 3px; border-bottom: 1px solid var(--line) }
.banner p { border: 2px solid #b45309; border-radius: 5px; background: #fff6e5; padding: 10px 14px }
.banner b { color: var(--warn) }
dl { display: flex; flex-wrap: wrap; gap: 2px 28px; margin: 0; font-size: 13px; line-height: 19px }
dl div { display: flex; gap: 6px; max-width: 100% }
dt { color: var(--soft); flex: none }
dd { margin: 0; font-weight: 500; overflow-wrap: anywhere; min-width: 0 }
.notes { list-style: none; margin: 12px 0 0; padding: 0 }
.warn { display: inline-block; margin-top: 4px; border: 1px solid #b45309; border-radius: 4px; background: #ffe3b0; color: #5a3000; font-weight: 600; padding: 0 8px }
ol { list-style: none; margin: 0; padding: 0 }
.s { display: grid; grid-template-columns: 30px minmax(0, 1fr) 148px; column-gap: 12px; padding: 10px 0; border-bottom: 1px solid var(--line); break-inside: avoid }
.s:target { outline: 3px solid var(--link); outline-offset: 4px }
.badges { display: flex; flex-direction: column; gap: 4px }
.badge { display: inline-flex; align-items: center; justify-content: center; min-width: 24px; height: 24px; padding: 0 3px; border: 2px solid currentColor; border-radius: 5px; font-size: 12.5px; font-weight: 700; width: max-content }
.negative .badge { border-radius: 50%; color: #37424d }
.plain .badge { border-style: dashed; color: #37424d }
.ungrounded .badge { border-style: dotted; color: var(--bad) }
.meta, .why { font-size: 12.5px; line-height: 18px; color: var(--soft) }
.ungrounded .why { color: var(--bad); font-weight: 600 }
figure { margin: 0 0 8px; width: 148px }
figure:last-child { margin-bottom: 0 }
.pic { position: relative; height: 111px; background: #000; border-radius: 2px; overflow: hidden }
.pic img { display: block; width: 148px; height: 111px }
.pic span { position: absolute; top: 46px; color: #ffe08a; font-size: 12.5px; line-height: 18px; font-weight: 700; text-shadow: 0 0 2px #000, 0 0 2px #000, 1px 1px 0 #000, -1px -1px 0 #000 }
.pic .l { left: 4px } .pic .r { right: 4px }
figcaption { font-size: 12px; line-height: 16px; color: var(--soft); margin-top: 2px; overflow-wrap: anywhere }
.box { border: 1px dashed #7b8792; border-radius: 3px; color: var(--soft); font-size: 12.5px; padding: 6px 10px; height: max-content }
table { border-collapse: collapse; width: 100%; font-size: 12.5px; line-height: 18px }
th { text-align: left; font-weight: 500; color: var(--soft) }
th, td { padding: 4px 12px 4px 0; border-bottom: 1px solid var(--line); vertical-align: top }
td:last-child { overflow-wrap: anywhere; min-width: 180px }
tr { break-inside: avoid }
tr:target { outline: 3px solid var(--link) }
details { margin-top: 18px; font-size: 12.5px; line-height: 18px; color: var(--soft) }
details dl { display: block; margin-top: 6px }
@media print {
  @page { margin: 14mm }
  main { display: table; width: 100%; padding: 0 }
  .banner { display: table-header-group; break-inside: avoid }
  .banner p { margin-bottom: 8px }
  .content { display: table-row-group }
  .banner p, .badge, .warn, .pic { print-color-adjust: exact; -webkit-print-color-adjust: exact }
}
`;
