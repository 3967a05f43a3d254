import { Document, type Scalar } from 'yaml'
import { tableId } from './owner-map.ts'
import type { SuggestedMap } from './suggest-map.ts'

/** A suggestion as the YAML of an owner map, each table with its reason in a comment. */
export function printMap({ services, tables }: SuggestedMap): string {
  const names = tables.map(({ table }) => table.name)
  const isUnique = (name: string) => names.indexOf(name) === names.lastIndexOf(name)
  const written = tables
    .map(({ table, owner, reason }) => ({ name: isUnique(table.name) ? table.name : tableId(table), owner, reason }))
    .toSorted((a, b) => compare(a.owner, b.owner) || compare(a.name, b.name))

  const document = new Document({
    services: Object.fromEntries(services.map((service) => [service, {}])),
    tables: new Map(written.map(({ name, owner }) => [name, owner])),
  })
  document.commentBefore =
    ' Proposed by `imhotep split map --suggest`: every line is a guess with its reason. Correct it.'
  for (const { name, reason } of written) {
    const value = document.getIn(['tables', name], true) as Scalar
    value.comment = ` ${reason}`
  }
  return document.toString({ lineWidth: 0 })
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
