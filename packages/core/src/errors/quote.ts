/** A name or path as JSON: they come from models and archives, and must be unambiguous, on one line, and short. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 300 ? `${text.slice(0, 300)}...` : text)
}
