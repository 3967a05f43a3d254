import type { SourcePosition } from '../../catalog/model.ts'
import type { Moment } from '../rule.ts'

/** Whether an object came with the files that are still to be applied: what `moment.isNew` says of tables, for views, types and functions. */
export function isNewObject(position: SourcePosition | undefined, { file, history }: Omit<Moment, 'isNew'>): boolean {
  if (!position) return false
  if (position.file === file.file) return true
  // Where no file is known to be applied, each is judged as if those before it were.
  if (history.files.every(({ pending }) => pending)) return false
  return history.files.some((own) => own.pending && own.file === position.file)
}
