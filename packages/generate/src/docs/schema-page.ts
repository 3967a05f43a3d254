import { parseTags, type Catalog, type Column, type Constraint, type Routine, type Table } from '@imhotep/engine'

/** Columns that mean the same in every table; the page explains them once. */
const STANDARD = new Set([
  'tenant_id',
  'id',
  'row_version',
  'created_at',
  'created_by',
  'updated_at',
  'updated_by',
  'deleted_at',
  'deleted_by',
  'delete_reason',
])

/** Markdown reference of one schema: tables with their columns and rules, views, functions, types, from the comments. */
export function schemaPage(catalog: Catalog, schema: string, diagram: string): string {
  const tables = ofSchema(catalog.tables, schema).filter(({ partitionOf }) => partitionOf === null)
  const views = ofSchema(catalog.views, schema)
  const routines = ofSchema(catalog.functions, schema).filter(({ returns }) => returns !== 'trigger')
  const types = ofSchema(catalog.types, schema).filter(({ kind }) => kind === 'enum')
  const parts = [
    `# ${schema}`,
    '<!-- Written by npm run docs from the installed schema; do not edit. -->',
    `${about(catalog.schemas.get(schema)?.comment)} ${counted(tables.length, 'table')}, ${counted(views.length, 'view')}, ${counted(routines.length, 'function')}.`,
    `![Tables of ${schema} and what they refer to](${diagram})`,
    'Tables have the standard columns `id`, `created_at`, `created_by`, and, where they apply, `tenant_id`, `row_version`, `updated_*` and `deleted_*`; they are not repeated here.',
    ...tables.map(tableSection),
  ]
  if (types.length > 0)
    parts.push(
      '## Enumerated types',
      types.map(({ name, labels, comment }) => `- \`${name}\` (${labels.join(', ')}): ${about(comment)}`).join('\n'),
    )
  if (views.length > 0)
    parts.push('## Views', views.map(({ name, comment }) => `- \`${name}\`: ${about(comment)}`).join('\n'))
  if (routines.length > 0) parts.push('## Functions', routines.map(routineLine).join('\n'))
  return `${parts.join('\n\n')}\n`
}

function tableSection(table: Table): string {
  const tags = parseTags(table.comment)
  const facts = ['class', 'scope', 'owner', 'fhir', 'retention']
    .map((tag) => [tag, tags.get(tag)] as const)
    .filter(([, value]) => value !== undefined && value !== 'none')
    .map(([tag, value]) => `${tag} ${value}`)
  if (tags.get('append_only') === '1') facts.push('append-only')
  if (tags.has('partition')) facts.push(`partitioned by ${tags.get('partition')}`)
  const rows = [...table.columns.values()]
    .filter(({ name }) => !STANDARD.has(name))
    .map((column) => columnRow(column, table))
  const parts = [
    `## ${table.name}`,
    about(table.comment),
    `_${facts.join(' · ')}_`,
    ['| column | type | null | class | meaning |', '| --- | --- | --- | --- | --- |', ...rows].join('\n'),
  ]
  const rules = [...table.constraints.values()].filter(isRule).map(ruleLine)
  if (rules.length > 0) parts.push('Rules:', rules.join('\n'))
  return parts.join('\n\n')
}

function columnRow(column: Column, table: Table): string {
  const tags = parseTags(column.comment)
  const reference = [...table.constraints.values()].find(
    ({ kind, columns }) => kind === 'foreign key' && columns.at(-1) === column.name,
  )
  const type = column.type.replace('timestamp with time zone', 'timestamptz').replace('character varying', 'varchar')
  const meaning = [tags.get('about') ?? '', reference ? `→ \`${reference.references}\`` : ''].filter(Boolean).join(' ')
  const kind = tags.get('enc') === '1' ? `${tags.get('class')}, encrypted` : (tags.get('class') ?? '')
  return `| ${[`\`${column.name}\``, type, column.notNull ? '' : 'null', kind, meaning].map(cell).join(' | ')} |`
}

/** Checks of a list of words are seen in the column's meaning; keys, exclusions and other checks are rules. */
function isRule({ kind, name }: Constraint): boolean {
  return kind === 'unique' || kind === 'exclude' || (kind === 'check' && !/_(check|known)$/.test(name))
}

function ruleLine({ name, definition }: Constraint): string {
  return `- \`${name}\`: \`${definition.replaceAll(/\s+/g, ' ').replaceAll('::text', '')}\``
}

function routineLine({ name, arguments: args, returns, comment }: Routine): string {
  return `- \`${name}(${args.replaceAll(/\s+/g, ' ')})\` returns \`${returns.replaceAll(/\s+/g, ' ')}\`: ${about(comment)}`
}

function ofSchema<T extends { readonly schema: string; readonly name: string }>(
  objects: ReadonlyMap<string, T>,
  schema: string,
): T[] {
  return [...objects.values()]
    .filter((object) => object.schema === schema)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

function about(comment: string | null | undefined): string {
  return parseTags(comment ?? null).get('about') ?? ''
}

function counted(n: number, word: string): string {
  return `${n} ${word}${n === 1 ? '' : 's'}`
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}
