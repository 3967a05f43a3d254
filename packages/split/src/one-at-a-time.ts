export type OneAtATime = <T>(work: () => Promise<T>) => Promise<T>

/** Whatever is given to the function begins when all that was given before has ended, well or not. */
export function oneAtATime(): OneAtATime {
  let last: Promise<unknown> = Promise.resolve()
  return (work) => {
    const next = last.then(work)
    last = next.catch(() => undefined)
    return next
  }
}
