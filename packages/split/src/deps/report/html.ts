import { tableId } from '../../model.ts'
import { judge, type AllowList } from '../allow-list/allow-list.ts'
import type { Dependency, Findings, Warning } from '../dependency.ts'
import { escapeHtml } from './escape.ts'
import { serviceGraph } from './service-graph.ts'
import { stateOf, summary } from './text.ts'

const style = `
:root { color-scheme: light }
body { font: 14px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; color: #1f2328 }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid #d1d9e0 }
td.what { overflow-wrap: anywhere; max-width: 30rem } td.seen { text-align: right; font-variant-numeric: tabular-nums }
small { color: #59636e } .open { color: #cf222e; font-weight: 600 } .allowed { color: #9a6700 } .settled { color: #59636e }
figure { margin: 1rem 0; overflow-x: auto; border: 1px solid #d1d9e0; border-radius: 6px }
figure svg { width: 100%; height: auto }
`

/** The findings as one page that needs nothing else: the graph of the services, then every dependency by service. */
export async function dependencyHtml(findings: Findings, list: AllowList | null, title: string): Promise<string> {
  const verdict = judge(findings, list)
  const allowed = new Set(verdict.allowed.map(({ id }) => id))
  const services = [...new Set(findings.dependencies.map(({ from }) => from.service))]
  const sections = services.map((service) => {
    const own = findings.dependencies.filter(({ from }) => from.service === service)
    return `<h2>${escapeHtml(service)}</h2>\n${tableOf(own, allowed)}`
  })
  const graph = await serviceGraph(findings.dependencies, (dependency) => stateOf(dependency, allowed) === 'open')
  const stale = verdict.stale.map(({ id, what }) => `<li>${escapeHtml(id)}: ${escapeHtml(what)}</li>`)
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeHtml(title)}</title><style>${style}</style></head>
<body>
<h1>${escapeHtml(title)}</h1>
<p>${escapeHtml(summary(findings, verdict)).replaceAll('\n', '<br>')}</p>
<figure>${graph}</figure>
${sections.join('\n')}
${warnings('Unknown, never clean', findings.unknown)}
${warnings('Calls in loops', findings.loopCalls)}
${stale.length === 0 ? '' : `<h2>Stale on the allow-list</h2>\n<ul>\n${stale.join('\n')}\n</ul>`}
</body>
</html>
`
}

function warnings(title: string, found: readonly Warning[]): string {
  if (found.length === 0) return ''
  const rows = found.map(
    ({ kind, object, reason, evidence, count }) =>
      `<tr><td>${kind}</td><td class="what">${escapeHtml(object)}</td><td>${escapeHtml(reason)}</td><td><small>${escapeHtml(evidence.join(', '))}</small></td><td class="seen">${count}</td></tr>`,
  )
  return `<h2>${title}</h2>\n<table><tr><th>kind</th><th>what</th><th>why</th><th>where</th><th>seen</th></tr>\n${rows.join('\n')}\n</table>`
}

function tableOf(dependencies: readonly Dependency[], allowed: ReadonlySet<string>): string {
  const rows = dependencies.map((dependency) => {
    const { id, kind, from, to, writes, evidence, count, lastSeen, wayOut, reason } = dependency
    const state = stateOf(dependency, allowed)
    const seen = lastSeen === null ? String(count) : `${count}<br><small>${lastSeen.toISOString().slice(0, 16)}</small>`
    return (
      `<tr id="${escapeHtml(id)}"><td>${kind}</td><td class="what">${escapeHtml(from.object)}<br><small>${escapeHtml(evidence.join(', '))}</small></td>` +
      `<td>${escapeHtml(`${to.service}: ${tableId(to.table)}`)}${writes ? ' <small>writes</small>' : ''}</td><td class="seen">${seen}</td>` +
      `<td>${wayOut}<br><small>${escapeHtml(reason)}</small></td><td class="${state}">${state}</td></tr>`
    )
  })
  return `<table><tr><th>kind</th><th>what</th><th>uses</th><th>seen</th><th>way out</th><th>state</th></tr>\n${rows.join('\n')}\n</table>`
}
