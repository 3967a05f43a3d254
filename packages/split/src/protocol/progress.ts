/** Rows done of an estimated total, told at most four times a second with rate and remaining time. */
export function createProgress(total: number, say: (text: string) => void) {
  const started = Date.now()
  let done = 0
  let toldAt = 0
  return {
    get done() {
      return done
    },
    add: (rows: number): void => {
      done += rows
      if (Date.now() - toldAt < 250) return
      toldAt = Date.now()
      say(progressText(done, total, (toldAt - started) / 1000))
    },
  }
}

export function progressText(done: number, total: number, seconds: number): string {
  const rate = seconds > 0 ? done / seconds : 0
  const share = total > 0 ? `, ${Math.min(99, Math.floor((done / total) * 100))} %` : ''
  const left = rate > 0 && total > done ? `, ${Math.ceil((total - done) / rate)} s left` : ''
  return `${count(done)} rows${share}, ${count(Math.round(rate))}/s${left}`
}

function count(value: number): string {
  return value.toLocaleString('en')
}
