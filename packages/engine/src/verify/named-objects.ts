import type { SourcePosition } from '../catalog/model.ts'
import { nameOf, type VerifyContext } from './context.ts'
import type { NamedKind } from './policy.ts'

export interface Named {
  readonly kind: NamedKind
  readonly name: string
  /** `schema.table`, `schema.table.column`, `schema.function`, a schema. */
  readonly object: string
  readonly position: SourcePosition | undefined
}

/** Everything that people named, of some kinds or of all; partitions and what belongs to them are named by machine. */
export function* namesIn(context: VerifyContext, kinds?: readonly NamedKind[]): Generator<Named> {
  for (const named of allNames(context, kinds)) if (!kinds || kinds.includes(named.kind)) yield named
}

function* allNames({ catalog, policy, tables }: VerifyContext, kinds?: readonly NamedKind[]): Generator<Named> {
  const isOurs = ({ schema }: { schema: string }) => !policy.ignoredSchemas.includes(schema)
  for (const { name, position } of catalog.schemas.values())
    if (isOurs({ schema: name })) yield { kind: 'schema', name, object: name, position }
  for (const table of tables) {
    if (table.partitionOf !== null) continue
    const object = nameOf(table)
    yield { kind: 'table', name: table.name, object, position: table.position }
    const parts = {
      column: table.columns,
      constraint: table.constraints,
      trigger: table.triggers,
      policy: table.policies,
      index: table.indexes,
    } as const
    for (const [kind, owned] of Object.entries(parts) as [keyof typeof parts, Map<string, PartOfTable>][]) {
      if (kinds && !kinds.includes(kind)) continue
      for (const { name, position = table.position, fromConstraint } of owned.values())
        if (!fromConstraint) yield { kind, name, object: kind === 'column' ? `${object}.${name}` : object, position }
    }
  }
  for (const view of catalog.views.values())
    if (isOurs(view)) yield { kind: 'view', name: view.name, object: nameOf(view), position: view.position }
  for (const routine of catalog.functions.values())
    if (isOurs(routine))
      yield { kind: 'function', name: routine.name, object: nameOf(routine), position: routine.position }
}

interface PartOfTable {
  readonly name: string
  readonly position?: SourcePosition
  /** Of an index: it has the name of its constraint. */
  readonly fromConstraint?: boolean
}
