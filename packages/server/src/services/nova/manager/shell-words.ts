/** Splits a command line into words as a POSIX shell quotes them, without expanding anything. */
import { badRequest } from '#platform/errors/errors.ts'

interface Scan { words: string[]; word: string; open: boolean }

const close = (scan: Scan): void => {
  if (scan.open) scan.words.push(scan.word)
  scan.word = ''
  scan.open = false
}

/** The index after the closing quote. */
const quoted = (text: string, from: number, scan: Scan): number => {
  const quote = text[from]!
  scan.open = true
  for (let at = from + 1; at < text.length; at++) {
    if (text[at] === quote) return at + 1
    if (text[at] === '\\' && quote === '"' && '"\\$`'.includes(text[at + 1] ?? '')) at++
    scan.word += text[at] ?? ''
  }
  throw badRequest(
    `The command line ends inside a quotation that begins with ${quote} at character ${from + 1}: ${text}`,
  )
}

export const shellWords = (text: string): string[] => {
  const scan: Scan = { words: [], word: '', open: false }
  let at = 0
  while (at < text.length) {
    const char = text[at]!
    if (/\s/.test(char)) { close(scan); at++ }
    else if (char === '"' || char === "'") at = quoted(text, at, scan)
    else {
      const escaped = char === '\\' && at + 1 < text.length
      scan.word += escaped ? text[at + 1]! : char
      scan.open = true
      at += escaped ? 2 : 1
    }
  }
  close(scan)
  return scan.words
}
