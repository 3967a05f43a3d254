import type { SourcePosition } from '../../catalog/model.ts'
import type { Moment } from '../rule.ts'
import type { Taken } from './taken-names.ts'
import { mayHaveTouched } from './unknown-effects.ts'

/** Whether a statement whose effect cannot be told may have dropped or renamed something since it was made. */
export function mayHaveGone({ name, position }: Taken, { catalog, history }: Moment): boolean {
  const [schema = '', ...rest] = name.split('.')
  const order = new Map(history.files.map((own) => [own.file, own.order]))
  const isBehind = (effect: SourcePosition) =>
    !position || ((order.get(effect.file) ?? 0) - (order.get(position.file) ?? 0) || effect.line - position.line) > 0
  return catalog.unknown.some(
    (effect) => isBehind(effect.position) && rest.some((part) => mayHaveTouched(effect, schema, part)),
  )
}
