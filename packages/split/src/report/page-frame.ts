import { escapeHtml } from '../deps/report/escape.ts'

/** Text and background are told by words as well as by colour; both schemes keep a contrast above 4.5. */
const style = `
:root { color-scheme: light dark; --text: #1f2328; --dim: #59636e; --back: #fff; --line: #d1d9e0; --good: #1a7f37; --bad: #cf222e; --warn: #9a6700 }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --dim: #9198a1; --back: #0d1117; --line: #3d444d; --good: #3fb950; --bad: #ff7b72; --warn: #d29922 } }
body { font: 14px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; color: var(--text); background: var(--back) }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 2rem }
.scroll { overflow-x: auto } table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid var(--line) }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .8rem } dl div { border: 1px solid var(--line); border-radius: 6px; padding: .6rem .8rem }
dt { color: var(--dim) } dd { margin: 0; font-size: 1.3rem; font-variant-numeric: tabular-nums }
small, .dim { color: var(--dim) } .good { color: var(--good) } .bad { color: var(--bad); font-weight: 600 } .warn { color: var(--warn) }
figure { margin: 1rem 0; overflow-x: auto; background: #fff; border: 1px solid var(--line); border-radius: 6px } figure svg { max-width: 100%; height: auto; display: block; margin: auto }
`

/** One page that needs nothing else: no script, no link, nothing from the network. `body` is HTML already. */
export function pageFrame(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escapeHtml(title)}</title><style>${style}</style></head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
${body}
</main>
</body>
</html>
`
}

export interface PageCell {
  readonly text: string | number
  readonly tone?: 'good' | 'bad' | 'warn' | 'dim'
}

/** A table whose first column names its rows. */
export function pageTable(
  caption: string,
  header: readonly string[],
  rows: readonly (readonly (PageCell | string | number)[])[],
): string {
  const head = header.map((text) => `<th scope="col">${escapeHtml(text)}</th>`).join('')
  const lines = rows.map(
    (row) =>
      `<tr>${row.map((cell, at) => cellHtml(typeof cell === 'object' ? cell : { text: cell }, at)).join('')}</tr>`,
  )
  return `<div class="scroll" tabindex="0" role="region" aria-label="${escapeHtml(caption)}"><table><caption class="dim">${escapeHtml(caption)}</caption>
<thead><tr>${head}</tr></thead>
<tbody>
${lines.join('\n')}
</tbody></table></div>`
}

function cellHtml({ text, tone }: PageCell, at: number): string {
  if (at === 0) return `<th scope="row">${escapeHtml(String(text))}</th>`
  const classes = [...(typeof text === 'number' ? ['n'] : []), ...(tone ? [tone] : [])]
  return `<td${classes.length > 0 ? ` class="${classes.join(' ')}"` : ''}>${escapeHtml(String(text))}</td>`
}
