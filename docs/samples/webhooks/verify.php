<?php
// Verify a webhook with PHP 8 alone: copy this file. $body is what file_get_contents('php://input') gave.

declare(strict_types=1);

const TOLERANCE = 300;

final class WebhookRefused extends RuntimeException
{
    public function __construct(public readonly string $reason)
    {
        parent::__construct($reason);
    }
}

/**
 * The message's id. Throws WebhookRefused with a reason.
 *
 * @param array<string, string> $headers in any case, as getallheaders() gives them
 * @param list<string> $secrets those that are live; during a rotation two
 */
function verify_webhook(array $headers, string $body, array $secrets, ?int $now = null): string
{
    $found = array_change_key_case($headers, CASE_LOWER);
    $now ??= time();
    [$id, $timestamp, $offered] = array_map(
        fn (string $name): string => (string) ($found["webhook-$name"] ?? ''),
        ['id', 'timestamp', 'signature'],
    );
    if ($id === '' || $timestamp === '' || $offered === '') {
        throw new WebhookRefused('missing_header');
    }
    if (preg_match('/\A[0-9]{1,12}\z/', $timestamp) !== 1) {
        throw new WebhookRefused('bad_timestamp');
    }
    if ($now - (int) $timestamp > TOLERANCE) {
        throw new WebhookRefused('too_old');
    }
    if ((int) $timestamp - $now > TOLERANCE) {
        throw new WebhookRefused('too_new');
    }
    $signatures = explode(' ', $offered);
    if (count($signatures) > 10) {
        throw new WebhookRefused('too_many_signatures');
    }
    if ($secrets === []) {
        throw new WebhookRefused('no_key');
    }
    if (array_filter($signatures, fn (string $one): bool => str_starts_with($one, 'v1,')) === []) {
        throw new WebhookRefused('unknown_scheme');
    }
    foreach ($secrets as $secret) {
        $key = base64_decode(preg_replace('/\Awhsec_/', '', $secret), true);
        if ($key === false || strlen($key) < 24) {
            throw new InvalidArgumentException('a secret is whsec_ and base64');
        }
        $expected = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$timestamp.$body", $key, true));
        foreach ($signatures as $one) {
            if (hash_equals($expected, $one)) {
                return $id;
            }
        }
    }
    throw new WebhookRefused('wrong_signature');
}
