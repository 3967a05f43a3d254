import { Document, type Scalar } from 'yaml'
import { tableId } from '../model.ts'
import type { SuggestedMap } from './suggest-map.ts'

/** A suggestion as the YAML of an owner map, each table with its reason in a comment. */
export function printMap({ services, tables }: SuggestedMap): string {
  const names = tables.map(({ table }) => table.name)
  const isUnique = (name: string) => names.indexOf(name) === names.lastIndexOf(name)
  const written = tables
    .map(({ table, owner, reason, key }) => ({
      name: isUnique(table.name) ? table.name : tableId(table),
      owner,
      key,
      reason: reason + (table.primaryKey.length > 0 ? '' : key ? '; no primary key: is this one?' : '; no primary key'),
    }))
    .toSorted((a, b) => compare(a.owner, b.owner) || compare(a.name, b.name))

  const document = new Document({
    services: Object.fromEntries(services.map((service) => [service, {}])),
    tables: new Map(written.map(({ name, owner }) => [name, owner])),
  })
  document.commentBefore =
    ' Proposed by `imhotep split map --suggest`: every line is a guess with its reason. Correct it.'
  for (const { name, owner, key, reason } of written) {
    if (key) document.setIn(['tables', name], flow(document, { owner, key }))
    const value = document.getIn(['tables', name], true) as Scalar
    value.comment = ` ${reason}`
  }
  return document.toString({ lineWidth: 0 })
}

function flow(document: Document, value: object) {
  return document.createNode(value, { flow: true })
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
