import type { Index } from '../../catalog/model.ts'

/** An index by which REFRESH .. CONCURRENTLY can tell the rows apart: over all of them, by columns alone. */
export function tellsRowsApart({ unique, predicate, keys, valid }: Index): boolean {
  return unique && valid && predicate === null && keys.every(({ column }) => column !== null)
}
