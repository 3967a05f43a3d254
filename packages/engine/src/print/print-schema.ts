import { quoteIdentifier } from '../bundle/quote.ts'
import type { Extension, Schema } from '../catalog/model.ts'
import { unplaced, type UnplacedObject } from './printed-object.ts'

/** Null for `public`, which every database has. */
export function printSchema({ name }: Schema): UnplacedObject | null {
  if (name === 'public') return null
  const place = { section: 'schemas', phase: 'schemas' } as const
  return unplaced(`schema ${name}`, name, place, [`create schema ${quoteIdentifier(name)}`])
}

/** Null for what every database has. The version is the server's: the one that was there may not exist elsewhere. */
export function printExtension(extension: Extension): UnplacedObject | null {
  if (extension.name === 'plpgsql') return null
  const place = { section: 'extensions', phase: 'extensions' } as const
  return unplaced(`extension ${extension.name}`, '', place, [extensionStatement(extension)])
}

export function extensionStatement({ name, schema }: Extension): string {
  // An extension that insists on a schema of its own brings it along.
  const where = schema === 'pg_catalog' ? '' : ` with schema ${quoteIdentifier(schema)}`
  return `create extension if not exists ${quoteIdentifier(name)}${where}`
}
