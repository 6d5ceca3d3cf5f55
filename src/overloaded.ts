/** Too much of something is under way; the request should be tried again later. */
export class Overloaded extends Error {
  override readonly name = "Overloaded";
}
