# Who guesses keys is slowed down, and locks nobody out (RL-17, RL-18, AK-19).

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Weir::Stack;

my $stack = Weir::Stack->new(
    http => '
        set_real_ip_from 127.0.0.1;
        real_ip_header X-Test-Ip;
        weir_key_store pepper=pepper ttl=60s;
        weir_limit_zone $binary_remote_addr zone=guesses:1m
                        count=auth-failures rate=1/m burst=4;
        weir_limit_zone $binary_remote_addr zone=calls:1m rate=1/m burst=9;',
    server => 'location = /metrics { weir_metrics; }',
    location => 'weir_auth on; weir_limit zone=guesses; weir_limit zone=calls;
                 return 200 "in\n";',
    processes => 1);

$stack->keys;
$stack->start('redis');

my $pepper = $stack->dir . '/pepper';
my $stored = `$stack->{build}/weir keys create --redis unix:$stack->{dir}/redis.sock --pepper $pepper --owner carol 2>> $stack->{dir}/keys.log`;
chomp $stored;
like($stored, qr/^weir_/, 'a key in the store');

$stack->start('nginx');


sub ask {
    my ($ip, $key) = @_;

    return $stack->ask('/', no_key => 1, headers => ["X-Test-Ip: $ip",
        defined $key ? "Authorization: Bearer $key" : ()]);
}


# a well-formed key of nobody: another public id, and its checksum

my $guesses = 0;

sub guess {
    my $dir = $stack->dir;
    my $n = ++$guesses;

    my $key = `$stack->{build}/weir keys create --file $dir/guess-$n --pepper $dir/guess-pepper-$n --owner x 2>> $dir/keys.log`;
    chomp $key;
    return $key;
}


my @guess = map { guess() } 1 .. 8;

is(ask('10.0.0.1', $stored)->status, 200, 'a key of the store is good');

is(ask('10.0.0.1', shift @guess)->status, 401, 'a guess') for 1 .. 5;

my $c = ask('10.0.0.1', $guess[0]);
is($c->status, 429, 'one too many');
cmp_ok($c->header('Retry-After'), '>=', 1, 'when to come again');
like($c->body, qr/guesses/, 'the policy');

is(ask('10.0.0.1', 'weir_live_nonsense')->status, 429, 'so is nonsense');

my $looked = $stack->redis('INFO', 'commandstats')
             =~ /cmdstat_get:calls=(\d+)/ ? $1 : 0;
is(ask('10.0.0.1', $_)->status, 429, 'another guess') for @guess;

# the catalogue and others are read too, but not once for each guess

my $now = $stack->redis('INFO', 'commandstats')
          =~ /cmdstat_get:calls=(\d+)/ ? $1 : 0;
cmp_ok($now - $looked, '<', scalar @guess, 'and Redis is not asked');

is(ask('10.0.0.1', $stack->key)->status, 200, 'a key of the file gets in');
is(ask('10.0.0.1', $stored)->status, 200, 'a known key of the store too');
is(ask('10.0.0.2', $guess[0])->status, 401, 'another address guesses');
is(ask('10.0.0.2', $stored)->status, 200, 'and gets in');

# failures are no calls: of ten, three are left after three good ones

is(ask('10.0.0.1', $stored)->status, 200, 'failures used no calls')
    for 1 .. 7;
is(ask('10.0.0.1', $stored)->status, 429, 'good ones do');

$stack->end;
done_testing;
