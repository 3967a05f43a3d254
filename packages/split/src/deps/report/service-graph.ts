import type { Dependency } from '../dependency.ts'
import { escapeHtml } from './escape.ts'

interface Point {
  readonly x: number
  readonly y: number
}

interface Arrow {
  readonly from: string
  readonly to: string
  open: number
  total: number
}

const HEIGHT = 32

/**
 * The services as boxes, an arrow for what each uses of another: thick by number, red while anything is open, grey when
 * settled. Services of `also` are there without an arrow as well.
 */
export async function serviceGraph<Shown extends Dependency>(
  dependencies: readonly Shown[],
  isOpen: (dependency: Shown) => boolean,
  also: readonly string[] = [],
): Promise<string> {
  const arrows = new Map<string, Arrow>()
  for (const dependency of dependencies) {
    const [from, to] = [dependency.from.service, dependency.to.service]
    const arrow = arrows.get(`${from} ${to}`) ?? { from, to, open: 0, total: 0 }
    arrows.set(`${from} ${to}`, arrow)
    arrow.total += 1
    if (isOpen(dependency)) arrow.open += 1
  }
  const services = [...new Set([...also, ...[...arrows.values()].flatMap(({ from, to }) => [from, to])])].toSorted()

  const { Graph, layout } = await import('@dagrejs/dagre')
  const graph = new Graph()
  graph.setGraph({ rankdir: 'LR', nodesep: 24, ranksep: 110, marginx: 20, marginy: 20 })
  graph.setDefaultEdgeLabel(() => ({}))
  for (const service of services) graph.setNode(service, { width: 24 + 7.5 * service.length, height: HEIGHT })
  for (const { from, to } of arrows.values()) graph.setEdge(from, to)
  layout(graph)

  // arrows may reach further than the boxes, from which the layout takes its extent
  const points = [...arrows.values()].flatMap(({ from, to }) => graph.edge(from, to).points ?? [])
  const { width = 0, height = 0 } = services.length === 0 ? {} : graph.graph()
  const wide = Math.ceil(Math.max(width, ...points.map(({ x }) => x + 20)))
  const high = Math.ceil(Math.max(height, ...points.map(({ y }) => y + 20)))
  const lines = [...arrows.values()].map((arrow) => drawArrow(arrow, graph.edge(arrow.from, arrow.to).points ?? []))
  const boxes = services.map((service) => drawBox(service, graph.node(service)))
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${wide} ${high}" width="${wide}" height="${high}" font-family="system-ui, sans-serif" font-size="12" role="img" aria-label="Services and what they use of each other">
<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="9" markerHeight="9" markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0L10 5L0 10z" fill="#57606a"/></marker></defs>
${lines.join('\n')}
${boxes.join('\n')}
</svg>`
}

function drawArrow({ from, to, open, total }: Arrow, points: readonly Point[]): string {
  const path = points.map(({ x, y }, at) => `${at === 0 ? 'M' : 'L'}${Math.round(x)} ${Math.round(y)}`).join('')
  const color = open > 0 ? '#cf222e' : '#8c959f'
  const { x, y } = points[Math.floor(points.length / 2)] ?? { x: 0, y: 0 }
  const title = escapeHtml(`${from} uses ${to}: ${total} dependencies, ${open} open`)
  return `<g><title>${title}</title><path d="${path}" fill="none" stroke="${color}" stroke-width="${Math.min(1 + total / 4, 5)}" stroke-opacity="0.55" marker-end="url(#tip)"/><text x="${Math.round(x)}" y="${Math.round(y) - 4}" text-anchor="middle" fill="${color}">${total}</text></g>`
}

function drawBox(service: string, { x, y, width, height }: Point & { width: number; height: number }): string {
  const [left, top] = [Math.round(x - width / 2), Math.round(y - height / 2)]
  return `<g><rect x="${left}" y="${top}" width="${Math.round(width)}" height="${height}" rx="6" fill="#f6f8fa" stroke="#57606a"/><text x="${Math.round(x)}" y="${Math.round(y) + 4}" text-anchor="middle" fill="#1f2328">${escapeHtml(service)}</text></g>`
}
