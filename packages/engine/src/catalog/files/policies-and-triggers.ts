import type { Node } from '../../parse/parser.ts'
import { path } from '../../parse/references.ts'
import type { Policy, Trigger } from '../model.ts'
import { partitionsOf, type Fold } from './fold.ts'
import { relationName, routineNamed } from './names.ts'
import { roleName } from './grants.ts'
import { qualify } from './qualify.ts'
import { parenthesesBehind } from './source-text.ts'
import { inheritTrigger } from './inheritance.ts'

export function createPolicy(fold: Fold, node: Extract<Node, { CreatePolicyStmt: unknown }>['CreatePolicyStmt']): void {
  const { key } = relationName(fold, node.table)
  const table = fold.catalog.tables.get(key)
  const name = node.policy_name ?? ''
  if (!table || table.policies.has(name)) return
  table.policies.set(name, {
    name,
    permissive: node.permissive ?? false,
    command: (node.cmd_name ?? 'all') as Policy['command'],
    roles: (node.roles ?? []).map(roleName).toSorted(),
    using: node.qual ? clause(fold, key, 'using') : null,
    withCheck: node.with_check ? clause(fold, key, 'with', 'check') : null,
    comment: null,
    position: fold.position,
  })
}

export function alterPolicy(fold: Fold, node: Extract<Node, { AlterPolicyStmt: unknown }>['AlterPolicyStmt']): void {
  const { key } = relationName(fold, node.table)
  const table = fold.catalog.tables.get(key)
  const policy = table?.policies.get(node.policy_name ?? '')
  if (!table || !policy) return
  table.policies.set(policy.name, {
    ...policy,
    ...(node.roles?.length ? { roles: node.roles.map(roleName).toSorted() } : {}),
    ...(node.qual ? { using: clause(fold, key, 'using') } : {}),
    ...(node.with_check ? { withCheck: clause(fold, key, 'with', 'check') } : {}),
  })
}

function clause(fold: Fold, table: string, ...keywords: string[]): string | null {
  const text = parenthesesBehind(fold.statement.text, ...keywords)
  return text === null ? null : qualify(fold, 'expression', text, table)
}

const EVENTS = { delete: 8, insert: 4, truncate: 32, update: 16 }

export function createTrigger(fold: Fold, node: Extract<Node, { CreateTrigStmt: unknown }>['CreateTrigStmt']): void {
  const { key } = relationName(fold, node.relation)
  const table = fold.catalog.tables.get(key) ?? fold.catalog.views.get(key)
  const name = node.trigname ?? ''
  if (!table || (table.triggers.has(name) && !node.replace)) return
  const transitions = (node.transitionRels ?? []).flatMap((item) =>
    'TriggerTransition' in item ? item.TriggerTransition : [],
  )
  const before = table.triggers.get(name)
  const trigger: Trigger = {
    name,
    timing: (node.timing ?? 0) & 2 ? 'before' : (node.timing ?? 0) & 64 ? 'instead of' : 'after',
    events: Object.entries(EVENTS).flatMap(([event, bit]) => ((node.events ?? 0) & bit ? event : [])),
    level: node.row ? 'row' : 'statement',
    function: routineNamed(fold, path(node.funcname)).key,
    arguments: path(node.args),
    when: node.whenClause ? clause(fold, key, 'when') : null,
    updateColumns: path(node.columns),
    oldTable: transitions.find((own) => !own.isNew)?.name ?? null,
    newTable: transitions.find((own) => own.isNew)?.name ?? null,
    constraint: node.isconstraint ?? false,
    deferrable: node.deferrable ?? false,
    initiallyDeferred: node.initdeferred ?? false,
    enabled: 'origin',
    comment: before?.comment ?? null,
    position: fold.position,
  }
  table.triggers.set(name, trigger)
  if ('partitionKey' in table)
    for (const partition of partitionsOf(fold.catalog, table)) inheritTrigger(partition, trigger)
}
