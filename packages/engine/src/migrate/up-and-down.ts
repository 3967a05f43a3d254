/** A file that says both ways, taken apart; offsets and lines stay as they are in the file. */
export interface UpAndDown {
  readonly up: string
  /** Null in a file that says one way only. */
  readonly down: string | null
}

/** The marks of goose and sql-migrate (`-- +goose Up`), of dbmate (`-- migrate:up`) and of node-pg-migrate (`-- Up Migration`). */
const MARK =
  /^[ \t]*--[ \t]*(?:(?:\+(?:goose|migrate)[ \t]+|migrate:)(up|down)\b[^\n]*|(up|down)[ \t]+migration[ \t]*\r?)$/gim

/** Takes a file apart at its marks. A mark of down without one of up above it is a comment like any other. */
export function upAndDown(text: string): UpAndDown {
  const marks = [...text.matchAll(MARK)].map((mark) => ({
    at: mark.index,
    isDown: (mark[1] ?? mark[2] ?? '').toLowerCase() === 'down',
  }))
  const first = marks.findIndex(({ isDown }) => !isDown)
  if (first < 0) return { up: text, down: null }
  const parts = [{ at: 0, isDown: false }, ...marks.slice(first)]
  const only = (down: boolean) =>
    parts
      .map(({ at, isDown }, n) => {
        const part = text.slice(at, parts[n + 1]?.at)
        return isDown === down ? part : part.replaceAll(/[^\n]/g, ' ')
      })
      .join('')
  return { up: only(false), down: parts.some(({ isDown }) => isDown) ? only(true) : null }
}
