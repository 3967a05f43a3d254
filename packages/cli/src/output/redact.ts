/** `user:password@` of a URL and `password=` of a connection string, wherever they stand in a text. */
const URL_PASSWORD = /(\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@]*):[^\s/]*@/gi
const PARAMETER_PASSWORD = /(\bpassword=)[^\s&'"]+/gi

/** The last guard before text leaves the process: whatever an error quoted, no password of a URL goes with it. */
export function redact(text: string): string {
  return text.replace(URL_PASSWORD, '$1:***@').replace(PARAMETER_PASSWORD, '$1***')
}
