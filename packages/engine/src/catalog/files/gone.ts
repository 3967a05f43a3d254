import type { Gone } from '../model.ts'
import type { Fold } from './fold.ts'

/** Notes the end of a name, so that its later use can name both ends. */
export function noteGone(fold: Fold, key: string, how: Gone['how'] = 'dropped', to: string | null = null): void {
  fold.catalog.gone.set(key, { how, to, position: fold.position })
}

/** A name that is given again is not gone, nor are the names of its parts. */
export function forget({ catalog }: Fold, key: string): void {
  if (!catalog.gone.delete(key)) return
  for (const other of catalog.gone.keys()) if (other.startsWith(`${key}.`)) catalog.gone.delete(other)
}
