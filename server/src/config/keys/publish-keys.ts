import { formOf, notASecret } from "./key-forms.js";
import { list } from "../readers.js";

/** Who may do everything must not be found by trying. */
const MIN_KEY_CHARACTERS = 16;

/** Keys that may do everything over HTTP. None of them ever appears in a message. */
export function readPublishKeys(text: string | undefined): string[] | undefined {
  const keys = list(text);
  const form = [text ?? "", ...(keys ?? [])].map(formOf).find((form) => form !== undefined);
  if (form !== undefined) throw new Error(notASecret(form));
  if (keys?.some((key) => !/^[\x21-\x7e]{1,256}$/.test(key))) {
    throw new Error("must be keys of up to 256 visible ASCII characters, separated by commas");
  }
  if (keys?.some((key) => key.length < MIN_KEY_CHARACTERS)) {
    throw new Error(
      `has a key of fewer than ${String(MIN_KEY_CHARACTERS)} characters, which can be guessed: make one by openssl rand -hex 32`,
    );
  }
  return keys;
}
