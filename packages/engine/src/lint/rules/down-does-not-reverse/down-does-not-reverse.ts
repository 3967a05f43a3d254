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
    for (const file of history.files.filter(({ name, pending }) => name?.kind === 'undo' && pending)) {
      undo.set(isDownOfBoth(file) ? file.file : versionOf(file), file)
    }
    if (undo.size === 0) return

    // Two folds of the versions before: one goes there and back and must be the other again.
    const before = startFold({ serverVersion })
    let back = startFold({ serverVersion })
    for (const own of history.files.filter(({ name }) => name?.kind === 'versioned')) {
      if (undo.size === 0) return
      const key = undo.has(own.file) ? own.file : versionOf(own)
      const down = undo.get(key)
      undo.delete(key)
      const isKnown = own.beyond === null && down?.beyond === null
      const differences = down && isKnown ? thereAndBack(before, back, own, down) : []
      run(before, own)
      if (down && differences.length > 0) {
        yield { ...notReversed(own, differences), position: topOf(down) }
        // a way down that does nothing has left it where the versions go on
        if (compareCatalogs(before.catalog, back.catalog).length > 0) back = copyOf(before)
      } else run(back, own)
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

type Folding = ReturnType<typeof startFold>

function thereAndBack(before: Folding, back: Folding, own: LintedFile, down: LintedFile): Difference[] {
  run(back, own)
  run(back, down)
  return compareCatalogs(before.catalog, back.catalog, { ignore: isPlace })
}

/** No way down puts a column back where it was. */
function isPlace({ property }: Difference): boolean {
  return property === 'ordinal'
}

function run(fold: Folding, file: LintedFile): void {
  for (const statement of file.statements) foldStatement(fold, statement, file)
}

/** To fold a long history again takes much longer. */
function copyOf(fold: Folding): Folding {
  const { catalog, indexParents, localColumns } = fold
  return {
    ...fold,
    catalog: structuredClone(catalog),
    indexParents: new Map(indexParents),
    localColumns: new Set(localColumns),
  }
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
