/** One scan of one relation in a plan that the server logged. */
export interface Scan {
  readonly relation: string
  readonly node: string
  readonly index: string | null
  readonly condition: string | null
  readonly query: string
}

interface PlanNode {
  readonly 'Node Type': string
  readonly Schema?: string
  readonly 'Relation Name'?: string
  readonly 'Index Name'?: string
  readonly 'Index Cond'?: string
  readonly Plans?: readonly PlanNode[]
}

/** Every scan in the JSON plans of auto_explain. */
export function* readPlans(log: string): Generator<Scan> {
  for (const [, json] of log.matchAll(/plan:\s*\n((?:\t.*(?:\n|$))+)/g)) {
    const { 'Query Text': query, Plan: plan } = JSON.parse((json ?? '').replaceAll(/^\t/gm, '')) as {
      'Query Text': string
      Plan: PlanNode
    }
    yield* scansOf(plan, query)
  }
}

function* scansOf(node: PlanNode, query: string, above?: PlanNode): Generator<Scan> {
  const relation = node['Relation Name']
  if (relation !== undefined && node['Node Type'] !== 'Bitmap Heap Scan' && node['Node Type'] !== 'ModifyTable') {
    yield scan(node, node, query)
  }
  if (node['Node Type'] === 'Bitmap Index Scan' && above) yield scan(node, above, query)
  const heap = node['Node Type'] === 'Bitmap Heap Scan' ? node : above
  for (const child of node.Plans ?? []) yield* scansOf(child, query, heap)
}

function scan(node: PlanNode, of: PlanNode, query: string): Scan {
  return {
    relation: `${of.Schema ?? ''}.${of['Relation Name'] ?? ''}`,
    node: node['Node Type'],
    index: node['Index Name'] ?? null,
    condition: node['Index Cond'] ?? null,
    query,
  }
}
