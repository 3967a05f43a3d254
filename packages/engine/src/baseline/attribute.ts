import type { Difference } from '../catalog/compare.ts'
import type { Catalog } from '../catalog/model.ts'
import type { Baseline } from './make-baseline.ts'

/**
 * Holds differences against the list of additions: answers the differences that no addition explains, and the additions
 * that made no difference.
 */
export function attributeDifferences(
  { additions, catalog }: Pick<Baseline, 'additions' | 'catalog'>,
  differences: readonly Difference[],
): { readonly object: string; readonly message: string }[] {
  const listed = new Set(additions.map(({ object }) => object))
  const anyOf = new Set([...listed].map((object) => object.replace(/^(constraint|index) .+ on /, '$1 * on ')))
  const used = new Set<string>()
  const left: { object: string; message: string }[] = []
  for (const difference of differences) {
    const causes = possibleCauses(difference.object, catalog).filter((cause) => listed.has(cause) || anyOf.has(cause))
    for (const cause of causes) used.add(cause)
    if (causes.length === 0)
      left.push({ object: difference.object, message: `${difference.kind}, and no addition says so` })
  }
  for (const object of listed)
    // Roles belong to the server, which may have had them.
    if (!used.has(object) && !object.startsWith('role '))
      left.push({ object, message: 'is listed and makes no difference' })
  return left
}

/** The addition of an object itself, of the constraint behind an index or not null, and the same of a partitioned parent. */
function possibleCauses(object: string, catalog: Catalog): string[] {
  const causes = [object]
  const onTable = /^(\w+) (.+) on (.+)$/.exec(object)
  if (onTable) {
    const [, kind, name = '', table = ''] = onTable
    if (kind === 'index') causes.push(`constraint ${name} on ${table}`)
    if (kind === 'constraint') {
      const column = /^.+?_(.+)_not_null\d*$/.exec(name)?.[1]
      for (const each of catalog.tables.get(table)?.columns.keys() ?? [])
        if (column !== undefined && name.includes(each)) causes.push(`column ${table}.${each}`)
    }
    causes.push(...ofParents(table, catalog).map((parent) => `${kind} ${name} on ${parent}`))
    // Keys and indexes of partitions have names of their own.
    if (kind === 'constraint' || kind === 'index')
      causes.push(
        ...ofParents(table, catalog).flatMap((parent) => ['constraint', 'index'].map((own) => `${own} * on ${parent}`)),
      )
  }
  const column = /^column (.+)\.([^.]+)$/.exec(object)
  if (column) causes.push(...ofParents(column[1] ?? '', catalog).map((parent) => `column ${parent}.${column[2] ?? ''}`))
  return causes
}

function ofParents(table: string, catalog: Catalog): string[] {
  const parent = catalog.tables.get(table)?.partitionOf
  return parent === null || parent === undefined ? [] : [parent, ...ofParents(parent, catalog)]
}
