import { Graph, layout } from '@dagrejs/dagre'
import { parseTags, qualifiedName, type Catalog, type Table } from '@imhotep/engine'

const LINE = 16
const CHARACTER = 6.7
const PADDING = 10

interface Box {
  readonly name: string
  readonly title: string
  readonly lines: readonly string[]
  /** A table of another schema: only its name is drawn. */
  readonly isOutside: boolean
  readonly width: number
  readonly height: number
}

interface Point {
  readonly x: number
  readonly y: number
}

/**
 * Draws the tables of one schema with their references as SVG. Keys and references are listed in the boxes; tables of
 * other schemas appear by name. The layout is dagre's; the same catalog always gives the same text.
 */
export function entityDiagram(catalog: Catalog, schema: string): string {
  const tables = [...catalog.tables.values()]
    .filter((table) => table.schema === schema && table.partitionOf === null)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const arrows = tables.flatMap((table) =>
    targetsOf(table).map((target) => ({ from: qualifiedName(table.schema, table.name), to: target })),
  )
  const inside = new Set(tables.map((table) => qualifiedName(table.schema, table.name)))
  const outside = [...new Set(arrows.map(({ to }) => to).filter((to) => !inside.has(to)))].toSorted()
  const boxes = [...tables.map(tableBox), ...outside.map(outsideBox)]

  const graph = new Graph()
  graph.setGraph({ rankdir: 'LR', nodesep: 18, ranksep: 70, marginx: 20, marginy: 20 })
  graph.setDefaultEdgeLabel(() => ({}))
  for (const { name, width, height } of boxes) graph.setNode(name, { width, height })
  for (const { from, to } of arrows) if (from !== to) graph.setEdge(from, to)
  layout(graph)

  // without boxes the layout has no extent
  const { width = 0, height = 0 } = boxes.length === 0 ? {} : graph.graph()
  const edges = graph.edges().map((edge: Parameters<typeof graph.edge>[0]) => edgePath(graph.edge(edge).points ?? []))
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${Math.ceil(width)} ${Math.ceil(height)}" width="${Math.ceil(width)}" height="${Math.ceil(height)}" font-family="ui-monospace, monospace" font-size="11" role="img" aria-label="Tables of ${schema}">
<defs><marker id="one" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L10 5L0 10z" fill="#57606a"/></marker></defs>
<rect width="100%" height="100%" fill="#fff"/>
<g fill="none" stroke="#57606a" stroke-width="1">
${edges.join('\n')}
</g>
${boxes.map((box) => drawBox(box, graph.node(box.name))).join('\n')}
</svg>
`
}

/** Tables that a table refers to, its tenant left out: every table refers to that. */
function targetsOf(table: Table): string[] {
  const targets = [...table.constraints.values()].flatMap(({ kind, references, columns }) =>
    kind === 'foreign key' && references !== null && columns.join() !== 'tenant_id' ? [references] : [],
  )
  return [...new Set(targets)].toSorted()
}

function tableBox(table: Table): Box {
  const references = new Set(
    [...table.constraints.values()].flatMap(({ kind, columns }) =>
      kind === 'foreign key' && columns.join() !== 'tenant_id'
        ? columns.filter((column) => column !== 'tenant_id')
        : [],
    ),
  )
  const keys = [...table.columns.keys()].filter(
    (name) => name === 'status' || /_(number|no)$/.test(name) || name === 'code',
  )
  const lines = [...keys, ...references].map((name) => (references.has(name) ? `${name} →` : name))
  const kind = parseTags(table.comment).get('class')
  return sized(qualifiedName(table.schema, table.name), kind ? `${table.name} (${kind})` : table.name, lines, false)
}

function outsideBox(name: string): Box {
  return sized(name, name, [], true)
}

function sized(name: string, title: string, lines: readonly string[], isOutside: boolean): Box {
  const longest = Math.max(title.length, ...lines.map((line) => line.length))
  const width = Math.ceil(longest * CHARACTER + 2 * PADDING)
  return { name, title, lines, isOutside, width, height: LINE * (lines.length + 1) + PADDING }
}

function drawBox({ title, lines, isOutside, width, height }: Box, { x = 0, y = 0 }: Partial<Point>): string {
  const left = round(x - width / 2)
  const top = round(y - height / 2)
  const fill = isOutside ? '#f6f8fa' : '#fff'
  const text = (content: string, line: number, extra = '') =>
    `<text x="${left + PADDING}" y="${round(top + LINE * (line + 1))}"${extra}>${escape(content)}</text>`
  return [
    `<rect x="${left}" y="${top}" width="${width}" height="${height}" rx="4" fill="${fill}" stroke="${isOutside ? '#d0d7de' : '#1f2328'}"/>`,
    text(title, 0, isOutside ? ' fill="#57606a"' : ' font-weight="bold"'),
    ...lines.map((line, index) => text(line, index + 1, ' fill="#424a53"')),
  ].join('\n')
}

function edgePath(points: readonly Point[]): string {
  const [first, ...rest] = points
  if (!first) return ''
  const at = ({ x, y }: Point) => `${round(x)} ${round(y)}`
  return `<path d="M${at(first)}${rest.map((point) => `L${at(point)}`).join('')}" marker-end="url(#one)"/>`
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
