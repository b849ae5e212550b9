# Streams end within a second after their key was revoked, in a key file and in
# the key store; others do not; jobs go on.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(time);
use Weir::Stack;
use Weir::Streams;
use Weir::Tool;

my $stack = Weir::Stack->new(location => 'weir_api;',
    server => 'location = /metrics { weir_metrics; }');
my $pepper = $stack->dir . '/pepper';

$stack->keys;
$stack->{key_conf} = 'weir_key_file ' . $stack->dir
                     . "/keys pepper=$pepper;\n"
                     . "    weir_key_store pepper=$pepper zone=keys:1m;";
$stack->start;

my $tool = Weir::Tool->new(redis => $stack->dir . '/redis.sock');


sub begun {
    my ($key, $plan) = @_;

    my $c = stream($stack, $plan, key => $key);
    ok($c->wait(5, qr/tok/), "$plan: it has begun");

    return $c;
}


sub reader {
    my ($key, $id) = @_;

    my $c = follow($stack, $id, key => $key);
    ok($c->wait(5, qr/tok/), 'a reader has begun');

    return $c;
}


sub usable {
    my ($key) = @_;

    $stack->wait_for(5, sub {
        $stack->ask('/v1/models', no_key => 1,
                    headers => ["Authorization: Bearer $key"])->status == 200;
    }, 'the key');
}


# revoke(CODE, KEY): all that is read with it ends

sub revoked {
    my ($name, $key, $revoke) = @_;

    usable($key);

    my $job = submit($stack, "tag=$name-job tokens=60 every=100", key => $key);
    my $c = begun($key, "tag=$name tokens=60 every=100");
    my $reader = reader($key, $job);
    my $other = begun($stack->key, "tag=$name-other tokens=30 every=100");

    $revoke->();
    my $at = time;

    ok($c->wait(5), "$name: the stream ends");
    cmp_ok(time - $at, '<', 1.5, "$name: within a second");
    like($c->body, qr/"code":"invalid_api_key"/, "$name: and says why");
    unlike($c->body, qr/DONE/, "$name: no clean end");

    $reader->wait(5, sub { $_[0]->done });
    ok($reader->done, "$name: the reader of a job, too");
    unlike($reader->body, qr/event: done/, "$name: before the end");

    ok($other->wait(10), "$name: another key's goes on");
    like($other->body, qr/DONE/, "$name: to its end");

    $stack->wait_for(5, sub {
        $stack->mock_calls($name)->{aborted};
    }, "$name: what nobody reads is cancelled");
    $stack->wait_for(10, sub {
        $stack->mock_calls("$name-job")->{completed};
    }, "$name: the job goes on");
}


my $key = $stack->create_key('alice', 'submit,read');
my ($id) = $key =~ /^weir_live_([^_]+)_/;

revoked('file', $key, sub {
    system("$stack->{build}/weir", 'keys', 'revoke', '--file',
           $stack->dir . '/keys', $id) == 0 or die 'revoke';
});

my $made = $tool->json(qw(keys create), '--pepper', $pepper,
                       '--owner', 'bob', '--scopes', 'submit,read');

revoked('store', $made->{key}, sub { $tool->run(qw(keys revoke), $made->{id}) });

like($stack->ask('/metrics')->body,
     qr/^weir_streams_cut_total\{cause="revoked"\} 4$/m, 'counted');

$stack->end;

done_testing();
