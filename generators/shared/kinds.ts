/** A setting whose value is nobody's business. */
export interface Secret {
  readonly variable: string;
  /** What stands before the part that `ops/three-tier env` generates where it is blank; without one, only a person can fill it in. */
  readonly prefix?: string;
}
