import { createHash } from 'node:crypto'
import type { TableName } from '../model.ts'
import { ownPrefix } from './catalog.ts'

/** Names of triggers may have 64 characters, as those of tables. */
const maxName = 64

/** Name of what refuses one kind of change of a table. */
export function fenceName({ name }: TableName, event: 'insert' | 'update' | 'delete' | 'truncate'): string {
  const full = `${ownPrefix}${event.slice(0, 1)}_${name}`
  if (full.length <= maxName) return full
  return `${full.slice(0, maxName - 9)}_${createHash('md5').update(name).digest('hex').slice(0, 8)}`
}
