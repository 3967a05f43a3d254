import { serviceGraph } from '../deps/report/service-graph.ts'
import { escapeHtml } from '../deps/report/escape.ts'
import { pageFrame, pageTable, type PageCell } from '../report/page-frame.ts'
import { figures, lagText } from './figures.ts'
import type { ServiceStatus, SplitStatus } from './split-status.ts'

/** The dashboard as one page: figures, the services with what still lies between them, and each service. */
export async function statusPage(status: SplitStatus): Promise<string> {
  const cards = figures(status).map(
    ({ name, value, reached }) =>
      `<div><dt>${escapeHtml(name)}</dt><dd class="${reached ? 'good' : 'warn'}">${escapeHtml(value)} <small>${reached ? 'reached' : 'open'}</small></dd></div>`,
  )
  const graph = await serviceGraph(
    status.dependencies,
    ({ open }) => open,
    status.services.map(({ service }) => service),
  )
  const left = status.dependencies.filter(({ open }) => open)
  return pageFrame(
    `Split of ${status.source}`,
    `<p class="dim">as of <time datetime="${status.at.toISOString()}">${status.at.toISOString().slice(0, 19).replace('T', ' ')} UTC</time></p>
<dl>
${cards.join('\n')}
</dl>
<figure>${graph}<figcaption class="dim">What services use of each other in the shared database: red is to solve, grey is settled or allowed.</figcaption></figure>
<h2>Services</h2>
${pageTable('Services', header, status.services.map(rowOf))}
<h2>Queries across services that are left</h2>
${
  left.length === 0
    ? '<p>None.</p>'
    : pageTable(
        'Queries across services',
        ['what', 'of', 'uses', 'way out'],
        left.map(({ kind, from, to, wayOut }) => [
          `${kind} ${from.object}`,
          from.service,
          `${to.service}: ${to.table.name}`,
          wayOut,
        ]),
      )
}`,
  )
}

const header = [
  'service',
  'database',
  'state',
  'clients use',
  'tables',
  'rows verified',
  'keys across',
  'queries across',
  'log to apply',
  'user isolated',
  'migrations',
  'deployed on its own',
]

function rowOf(one: ServiceStatus): (PageCell | string | number)[] {
  const { isolation, deployment } = one
  return [
    one.service,
    one.database,
    one.state,
    { text: one.serves, tone: one.serves === 'own' ? 'good' : 'warn' },
    one.tables,
    one.verified?.rows ?? '-',
    one.crossingKeys,
    one.queriesAcross,
    lagText(one.lag),
    isolation.isolated
      ? { text: 'yes', tone: 'good' }
      : { text: isolation.canEnter.length > 0 ? `enters ${isolation.canEnter.join(', ')}` : 'no user', tone: 'bad' },
    deployment.migrations,
    { text: deployment.independent ? 'yes' : 'no', tone: deployment.independent ? 'good' : 'warn' },
  ]
}
