import type { Node } from '../../parse/parser.ts'
import { path } from '../../parse/references.ts'
import type { Enabled } from '../model.ts'
import type { Fold } from './fold.ts'
import { routineNamed } from './names.ts'

export function createEventTrigger(
  fold: Fold,
  node: Extract<Node, { CreateEventTrigStmt: unknown }>['CreateEventTrigStmt'],
): void {
  const name = node.trigname ?? ''
  if (fold.catalog.eventTriggers.has(name)) return
  const tags = (node.whenclause ?? []).flatMap((item) =>
    'DefElem' in item && item.DefElem.arg && 'List' in item.DefElem.arg ? path(item.DefElem.arg.List.items) : [],
  )
  fold.catalog.eventTriggers.set(name, {
    name,
    event: node.eventname ?? '',
    tags: tags.map((tag) => tag.toLowerCase()).toSorted(),
    function: routineNamed(fold, path(node.funcname)).key,
    enabled: 'origin',
    comment: null,
    owner: null,
    position: fold.position,
  })
}

const STATES: Record<string, Enabled> = { O: 'origin', A: 'always', R: 'replica', D: 'disabled' }

export function alterEventTrigger(
  { catalog }: Fold,
  node: Extract<Node, { AlterEventTrigStmt: unknown }>['AlterEventTrigStmt'],
): void {
  const trigger = catalog.eventTriggers.get(node.trigname ?? '')
  if (trigger) trigger.enabled = STATES[node.tgenabled ?? ''] ?? trigger.enabled
}
