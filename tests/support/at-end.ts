import { after } from 'node:test'

const waiting: (() => Promise<void>)[] = []
let isOpen = false

/** Called outside of any suite by who runs test files as suites: a hook inside would run at the end of one file. */
export function openEnd(): void {
  if (isOpen) return
  isOpen = true
  after(async () => {
    for (const close of waiting.toReversed()) await close()
  })
}

/** Closes what several test files share, when the last test of the process is over: what was opened last first. */
export function atEnd(close: () => Promise<void>): void {
  openEnd()
  waiting.push(close)
}
