import { after } from 'node:test'

const waiting: (() => Promise<void>)[] = []

// The one who runs the tests imports this outside of any suite: a hook inside would run at the end of one file.
after(async () => {
  for (const close of waiting) await close()
})

/** Closes what several test files share, when the last test of the process is over. */
export function atEnd(close: () => Promise<void>): void {
  waiting.push(close)
}
