// A worker that computes the proof of work (campaign/rules/proof_of_work.py): it gets {challenge, bits} and answers with a counter for which the
// SHA-256 of "challenge:counter" begins with so many zero bits. Written out, as crypto.subtle takes ten times as long for each short text.
"use strict";
const K = new Int32Array(64);
const INITIAL = new Int32Array(8);
{
  // The first bits of the fractional parts of the cube and square roots of the first primes (FIPS 180-4).
  const isPrime = (n) => { for (let i = 2; i * i <= n; i++) if (n % i === 0) return false; return true; };
  const fraction = (x) => ((x - Math.floor(x)) * 4294967296) | 0;
  for (let n = 2, found = 0; found < 64; n++) {
    if (!isPrime(n)) continue;
    if (found < 8) INITIAL[found] = fraction(Math.sqrt(n));
    K[found++] = fraction(Math.cbrt(n));
  }
}
const words = new Int32Array(64);

// One block of 64 bytes, which is in the first sixteen words, from state into result.
const compress = (state, result) => {
  for (let i = 16; i < 64; i++) {
    const x = words[i - 15], y = words[i - 2];
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    words[i] = (words[i - 16] + s0 + words[i - 7] + s1) | 0;
  }
  let a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
  for (let i = 0; i < 64; i++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + words[i]) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g; g = f; f = e; e = (d + t1) | 0; d = c; c = b; b = a; a = (t1 + t2) | 0;
  }
  result[0] = (state[0] + a) | 0; result[1] = (state[1] + b) | 0; result[2] = (state[2] + c) | 0; result[3] = (state[3] + d) | 0;
  result[4] = (state[4] + e) | 0; result[5] = (state[5] + f) | 0; result[6] = (state[6] + g) | 0; result[7] = (state[7] + h) | 0;
};

const load = (bytes, offset) => {
  for (let i = 0; i < 16; i++) {
    const at = offset + 4 * i;
    words[i] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
  }
};

const solve = (challenge, bits) => {
  const prefix = new TextEncoder().encode(`${challenge}:`);
  const whole = prefix.length - (prefix.length % 64);
  // What all texts begin with is compressed once.
  const start = Int32Array.from(INITIAL);
  for (let offset = 0; offset < whole; offset += 64) { load(prefix, offset); compress(start, start); }
  const rest = prefix.subarray(whole);
  const tail = new Uint8Array(128);
  const state = new Int32Array(8);
  for (let counter = 0; ; counter++) {
    const digits = String(counter);
    const length = rest.length + digits.length;
    const end = length < 56 ? 64 : 128;
    tail.fill(0, 0, end);
    tail.set(rest);
    for (let i = 0; i < digits.length; i++) tail[rest.length + i] = digits.charCodeAt(i);
    tail[length] = 0x80;
    const total = (whole + length) * 8;
    tail[end - 4] = total >>> 24; tail[end - 3] = total >>> 16; tail[end - 2] = total >>> 8; tail[end - 1] = total;
    load(tail, 0);
    compress(start, state);
    if (end === 128) { load(tail, 64); compress(state, state); }
    if (state[0] >>> (32 - bits) === 0) return digits;
  }
};

self.onmessage = ({ data }) => self.postMessage(solve(data.challenge, data.bits));
