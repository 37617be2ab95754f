/** Freezes a value and what is in it, because from now on it has many readers. */
export function deepFreeze<Value extends object>(value: Value): Value {
  Object.freeze(value)
  for (const member of Object.values(value)) {
    if (typeof member === 'object' && member !== null) deepFreeze(member as object)
  }
  return value
}
