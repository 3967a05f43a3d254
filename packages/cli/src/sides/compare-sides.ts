import { DEFAULT_HISTORY_TABLE, diffCatalogs, makeComparable, type DiffStatement } from '@imhotep/engine'
import type { Context } from '../context.ts'
import { configAround } from '../project/project.ts'
import { findSide } from './find-side.ts'
import { withScratchServer } from './with-scratch-server.ts'

/** The statements that turn the schema of one side into that of another. */
export async function compareSides(
  context: Context,
  [a, b]: readonly [string, string],
  options: { readonly concurrently: boolean },
): Promise<DiffStatement[]> {
  const readLeft = await findSide(context, a)
  const readRight = await findSide(context, b)
  return withScratchServer(context, async (scratch) => {
    const left = await readLeft(scratch)
    const right = await readRight(scratch)
    makeComparable(left, right, configAround(context.cwd).historyTable ?? DEFAULT_HISTORY_TABLE)
    return diffCatalogs(left, right, options)
  })
}

/** A side as it may be shown: a connection string holds a password. */
export function sideName(side: string): string {
  return side.startsWith('postgres') ? 'the database' : side
}
