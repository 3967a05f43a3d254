import type { LeftOutObject, ServiceTopology } from './topology.ts'

/** What a service lacks when it stands alone, for people: what checks a reference, what is kept of others, what is gone. */
export function leftOutText(topology: ServiceTopology): string {
  const { service, softReferences, projections, copiedFunctions, rewritten, leftOut } = topology
  const checked = softReferences.filter((reference) => reference.checked)
  const plain = softReferences.filter((reference) => !reference.checked)
  return [
    `# ${service} on a database of its own`,
    '',
    `Modules ${topology.modules.join(', ')}; ${topology.tables.length} tables. Written by \`imhotep bundle --topology services\`.`,
    '',
    `## Soft references (${softReferences.length})`,
    '',
    'Foreign keys on a shared database. Here a trigger asks `core.entity_refs`: IM012 not known here, IM013 not active.',
    ...(plain.length > 0 ? ['A plain id is not checked: the row may belong to no tenant.'] : []),
    '',
    ...table(
      ['column', 'refers to', 'service'],
      [
        ...checked.map((reference) => [
          `${reference.table}.${reference.column}`,
          reference.references,
          reference.owner,
        ]),
        ...plain.map((reference) => [
          `${reference.table}.${reference.column}`,
          `${reference.references} (plain id)`,
          reference.owner,
        ]),
      ],
    ),
    `## Kept of other services`,
    '',
    'Views over `core.entity_refs` under the names of the tables, with the columns that their owners publish.',
    '',
    ...table(
      ['table', 'columns', 'service'],
      projections.map((own) => [own.table, own.columns.join(', '), own.owner]),
    ),
    ...(copiedFunctions.length > 0 ? [`Functions that only read these: ${copiedFunctions.join(', ')}.`, ''] : []),
    ...(rewritten.length > 0
      ? ['## Written anew', '', `By the module itself, in \`separate/\`: ${rewritten.join(', ')}.`, '']
      : []),
    `## Left out (${leftOut.length})`,
    '',
    'What needs more of another service than it publishes: call the service, or compose its answers. A trigger in this',
    'list is a rule that the database does not keep here: who calls the operations has to.',
    '',
    ...table(['object', 'why', 'call instead'], leftOut.map(leftOutRow)),
  ]
    .join('\n')
    .replace(/\n+$/, '\n')
}

function leftOutRow({ kind, object, reasons, instead }: LeftOutObject): string[] {
  return [`${kind} \`${object}\``, reasons.join('; '), instead.join(', ')]
}

function table(head: string[], rows: string[][]): string[] {
  if (rows.length === 0) return ['None.', '']
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line), '']
}
