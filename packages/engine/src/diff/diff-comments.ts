import type { Catalog } from '../catalog/model.ts'
import { commentedObjects, type Commented } from '../print/print-comments.ts'
import { isUnprintable } from '../print/print-other.ts'
import { commentStatement } from '../print/sql-text.ts'
import type { Changes } from './changes.ts'
import { statement, type DiffStatement } from './diff-statement.ts'

/** Comments; what was made anew has lost its own. */
export function diffComments(changes: Changes, left: Catalog, right: Catalog): DiffStatement[] {
  const before = new Map(allComments(left).map((own) => [own.target, own.comment]))
  return [...commentedObjects(right)].flatMap(([whole, { parts }]) =>
    parts.flatMap(({ object, target, comment }) => {
      if (changes.isNew(whole) && isUnprintable(right, whole)) return []
      const isNew = changes.isNew(whole) || changes.isNew(object)
      const old = isNew ? null : (before.get(target) ?? null)
      return old === comment ? [] : statement(object, commentStatement(target, comment))
    }),
  )
}

function allComments(catalog: Catalog): Commented[] {
  return [...commentedObjects(catalog).values()].flatMap(({ parts }) => parts)
}
