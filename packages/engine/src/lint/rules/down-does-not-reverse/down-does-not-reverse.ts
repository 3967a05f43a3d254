import { compareCatalogs, type Difference } from '../../../catalog/compare.ts'
import { foldStatement, startFold } from '../../../catalog/files.ts'
import { canonicalVersion } from '../../../migrate/migration-file.ts'
import { isDownOfBoth, type LintedFile, type LintRule } from '../../rule.ts'

export const downDoesNotReverse: LintRule = {
  id: 'down-does-not-reverse',
  family: 'history',
  severity: 'error',
  effect: 'Who takes the version back gets a schema that never existed, and running it again may fail.',
  instead: 'Make the undo file drop and restore exactly what its version changed.',
  *checkHistory({ history, serverVersion }) {
    const undo = new Map<string, LintedFile>()
    for (const file of history.files.filter(({ name }) => name?.kind === 'undo')) {
      undo.set(isDownOfBoth(file) ? file.file : versionOf(file), file)
    }
    if (undo.size === 0) return

    // Two folds of the versions before: one goes there and back and must be the other again.
    const done: LintedFile[] = []
    const start = () => startFold({ serverVersion })
    const before = start()
    let back = start()
    for (const own of history.files.filter(({ name }) => name?.kind === 'versioned')) {
      const key = undo.has(own.file) ? own.file : versionOf(own)
      const down = undo.get(key)
      undo.delete(key)
      if (down) {
        run(back, [own, down])
        const differences = compareCatalogs(before.catalog, back.catalog)
        if (differences.length > 0) {
          yield { ...notReversed(own, differences), position: topOf(down) }
          back = start()
          run(back, done)
        }
      }
      run(before, [own])
      run(back, [own])
      done.push(own)
    }
    for (const down of undo.values()) {
      const message = `no file has version ${down.name?.version}, which this one takes back`
      yield { object: null, message, position: topOf(down) }
    }
  },
}

function versionOf({ name }: LintedFile): string {
  return canonicalVersion(name?.version ?? '')
}

function run(fold: ReturnType<typeof startFold>, files: readonly LintedFile[]): void {
  for (const file of files) for (const statement of file.statements) foldStatement(fold, statement, file)
}

function topOf({ file }: LintedFile) {
  return { file, line: 1, column: 1 }
}

function notReversed(own: LintedFile, differences: readonly Difference[]) {
  const [first, ...more] = differences.map(describe)
  const told = [first, ...more.slice(0, 4)].join('; ')
  return {
    object: null,
    message: `after '${own.file}' and this file ${told}${more.length > 4 ? `; and ${more.length - 4} more` : ''}`,
    related: [{ file: own.file, line: 1, column: 1, message: 'the version that it takes back' }],
  }
}

function describe({ object, kind, property }: Difference): string {
  if (kind === 'missing') return `${object} is gone`
  return kind === 'extra' ? `${object} is left over` : `${property} of ${object} is another`
}
