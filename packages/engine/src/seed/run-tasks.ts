export interface Task {
  readonly name: string
  /** Names of tasks that have to end before it starts; names that are not among the tasks do not count. */
  readonly after: readonly string[]
  /** How much work it is, against that of the others. */
  readonly size: number
}

/**
 * Runs each task as soon as a worker is free and what it waits for has ended. Where that leaves a choice the task comes
 * first that the most work waits for, one behind the other; then the given order holds, in which a task stands behind what
 * it waits for. After a failure no task is started any more; the failure is thrown when those that run have ended.
 */
export async function runTasks<T extends Task>(
  tasks: readonly T[],
  workers: readonly ((task: T) => Promise<void>)[],
): Promise<void> {
  const waiting = longestWayFirst(tasks)
  const unfinished = new Set(tasks.map(({ name }) => name))
  const idle = [...workers]
  const running = new Set<Promise<void>>()
  const takeReady = () => {
    const at = waiting.findIndex(({ after }) => !after.some((name) => unfinished.has(name)))
    return at < 0 ? undefined : waiting.splice(at, 1)[0]
  }
  const start = (task: T, worker: (task: T) => Promise<void>) => {
    const run = worker(task).then(() => {
      unfinished.delete(task.name)
      running.delete(run)
      idle.push(worker)
    })
    running.add(run)
  }
  try {
    while (unfinished.size > 0) {
      for (let worker = idle[0]; worker; worker = idle[0]) {
        const task = takeReady()
        if (!task) break
        idle.shift()
        start(task, worker)
      }
      if (running.size === 0) throw new Error(`tasks wait for each other: ${[...unfinished].join(', ')}`)
      await Promise.race(running)
    }
  } finally {
    await Promise.allSettled(running)
  }
}

function longestWayFirst<T extends Task>(tasks: readonly T[]): T[] {
  const behind = new Map<string, number>()
  const wayFrom = ({ name, size }: Task) => size + (behind.get(name) ?? 0)
  for (const task of tasks.toReversed()) {
    for (const name of task.after) behind.set(name, Math.max(behind.get(name) ?? 0, wayFrom(task)))
  }
  return tasks.toSorted((a, b) => wayFrom(b) - wayFrom(a))
}
