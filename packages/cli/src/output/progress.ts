import { redact } from './redact.ts'

export interface Progress {
  readonly say: (text: string) => void
  /** Removes the line that is being rewritten, before the answer is printed. */
  readonly clear: () => void
}

/** Progress goes to stderr: one line rewritten in place on a terminal, a line each elsewhere. */
export function createProgress(stream: NodeJS.WriteStream): Progress {
  let shown = false
  return {
    say(text) {
      const safe = redact(text)
      if (!stream.isTTY) {
        stream.write(`${safe}\n`)
        return
      }
      shown = true
      stream.write(`\r\u001b[K${safe.split('\n')[0]?.slice(0, (stream.columns ?? 80) - 1)}`)
    },
    clear() {
      if (shown) stream.write('\r\u001b[K')
      shown = false
    },
  }
}
