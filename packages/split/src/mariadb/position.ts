import type { Position } from '../model.ts'
import type { Session } from './session.ts'

/** `file:offset` of a binlog. Files are numbered: `binlog.000042`. */
export function parsePosition(position: Position): { readonly file: string; readonly offset: number } {
  const colon = position.lastIndexOf(':')
  return { file: position.slice(0, colon), offset: Number(position.slice(colon + 1)) }
}

export function comparePositions(a: Position, b: Position): number {
  const [left, right] = [parsePosition(a), parsePosition(b)]
  return fileNumber(left.file) - fileNumber(right.file) || left.offset - right.offset
}

function fileNumber(file: string): number {
  return Number(file.slice(file.lastIndexOf('.') + 1))
}

/** The end of the binlog. */
export async function masterPosition(session: Session): Promise<Position> {
  const [row] = await session.rows('show master status')
  return row ? `${row[0]}:${row[1]}` : ''
}

/** Null across files: how long those in between are is the server's business. */
export function bytesBetween(from: Position, to: Position): number | null {
  const [left, right] = [parsePosition(from), parsePosition(to)]
  return left.file === right.file ? Math.max(0, right.offset - left.offset) : null
}
