import type { Catalog, Table } from '../catalog/model.ts'
import { attachStatement, replicaIdentityStatement } from '../print/print-table.ts'
import { qualified, quoteKey } from '../print/sql-text.ts'
import { alterColumns, changeOptions } from './alter-columns.ts'
import type { Changes } from './changes.ts'
import type { DiffOptions } from './diff-catalogs.ts'
import { byHand, statement, type DiffStatement } from './diff-statement.ts'

/** A table that both sides have: its columns and what it is, without its constraints, indexes and policies. */
export function alterTable(
  changes: Changes,
  catalogs: { left: Catalog; right: Catalog },
  key: string,
  options: DiffOptions,
): DiffStatement[] {
  const before = catalogs.left.tables.get(key)
  const after = catalogs.right.tables.get(key)
  if (!before || !after) return []
  const object = `table ${key}`
  const changed = changes.properties(object)
  const name = `alter table ${qualified(after)}`
  const found: DiffStatement[] = []
  if (changed.has('partitionKey'))
    found.push(byHand(object, 'it is partitioned in another way: make a new table and move the rows'))
  if ((changed.has('partitionOf') || changed.has('partitionBound')) && before.partitionOf !== null) {
    found.push(
      statement(
        object,
        `alter table ${quoteKey(before.partitionOf)} detach partition ${qualified(before)}`,
        'locks',
        'its rows are gone from the partitioned table until it is attached again',
      ),
    )
  }
  // Its columns must be as those of the parent at once.
  const joins = after.partitionOf !== before.partitionOf || changed.has('inherits')
  found.push(...alterColumns(changes, catalogs, key, joins ? { ...options, concurrently: false } : options))
  if ((changed.has('partitionOf') || changed.has('partitionBound')) && after.partitionOf !== null) {
    found.push(statement(object, attachStatement(after), 'locks', 'all rows are checked against the bound'))
  }
  if (changed.has('inherits')) found.push(...changeParents(object, name, before, after))
  if (changed.has('unlogged'))
    found.push(
      statement(
        object,
        `${name} set ${after.unlogged ? 'unlogged' : 'logged'}`,
        'rewrites',
        'the table is written anew',
      ),
    )
  if (changed.has('options')) found.push(...changeOptions(object, name, before.options, after.options))
  if (changed.has('rlsEnabled')) found.push(changeRls(object, name, after))
  if (changed.has('rlsForced')) {
    found.push(
      after.rlsForced
        ? statement(object, `${name} force row level security`)
        : statement(
            object,
            `${name} no force row level security`,
            'breaks clients',
            'the owner of the table sees the rows of everybody',
          ),
    )
  }
  return found
}

function changeRls(object: string, name: string, { rlsEnabled }: Table): DiffStatement {
  return rlsEnabled
    ? statement(
        object,
        `${name} enable row level security`,
        'breaks clients',
        'without a policy nobody but the owner sees a row',
      )
    : statement(object, `${name} disable row level security`, 'breaks clients', 'everybody with a grant sees all rows')
}

function changeParents(object: string, name: string, before: Table, after: Table): DiffStatement[] {
  const added = after.inherits.filter((parent) => !before.inherits.includes(parent))
  return added.map((parent) => statement(object, `${name} inherit ${quoteKey(parent)}`))
}

/** It is lost with its index. */
function isIdentityRemade(changes: Changes, key: string, { replicaIdentity }: Table): boolean {
  return (
    changes.remade.has(`${replicaIdentity} on ${key}`) ||
    changes.remade.has(`${replicaIdentity.replace('index', 'constraint')} on ${key}`)
  )
}

/** Behind the indexes: it may name one. */
export function alterReplicaIdentity(changes: Changes, right: Catalog, key: string): DiffStatement[] {
  const table = right.tables.get(key)
  const object = `table ${key}`
  if (!table || !(changes.properties(object).has('replicaIdentity') || isIdentityRemade(changes, key, table))) return []
  return [statement(object, replicaIdentityStatement(table))]
}
