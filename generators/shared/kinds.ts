/** A secret that `ops/env.sh` generates where it is blank in `.env`. */
export interface Secret {
  readonly variable: string;
  /** What stands before the generated part. */
  readonly prefix: string;
}
