import { migrationFileName } from '../../../migrate/migration-file.ts'
import { isDownOfBoth, type LintedFile, type LintRule } from '../../rule.ts'

export const versionMalformed: LintRule = {
  id: 'version-malformed',
  family: 'history',
  severity: 'error',
  effect: 'The file is not run, or runs at another place of the history than its author meant.',
  instead:
    'Name it V<version>__<what>.sql or <number>_<what>.sql; a time stamp is year, month, day, hour, minute, second.',
  *checkFile(file, { history }) {
    if (!history.complete || isDownOfBoth(file) || isDownOfOther(file, history.files)) return
    const name = migrationFileName(file.file)
    if (!file.name) yield { object: null, message: `no version can be read from '${name}'` }
    else if (looksLikeTime(file.name.version) && !isOfSomeDay(file.name.version))
      yield { object: null, message: `version ${file.name.version} is a time stamp, but not of any day` }
  },
}

/** What is wrong with a version is told of its way up. */
function isDownOfOther({ name }: LintedFile, files: readonly LintedFile[]): boolean {
  return name?.kind === 'undo' && files.some((up) => up.name?.kind === 'versioned' && up.name.version === name.version)
}

/** Fourteen digits or more that begin with a year: 20240229123000, or with milliseconds 20240229123000123. */
function looksLikeTime(version: string): boolean {
  return /^(19|20)\d{12}(\d{3})?$/.test(version)
}

/** Its day is one of the calendar; behind it some count on instead of telling the time. */
function isOfSomeDay(version: string): boolean {
  const [year = 0, month = 0, day = 0] = [version.slice(0, 4), version.slice(4, 6), version.slice(6, 8)].map(Number)
  const date = new Date(Date.UTC(year, month - 1, day))
  return date.toISOString().replaceAll('-', '').startsWith(version.slice(0, 8))
}
