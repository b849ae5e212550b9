# Who asks for a reservation may leave at any moment, and Redis may fail at any:
# what was reserved is given back, once.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Fleet;
use Weir::Stack;

my $stack = Weir::Stack->new(
    http => '
        weir_limit_zone $weir_owner zone=tokens:1m count=tokens
                        quota=1M/month scope=fleet;
        weir_limit_zone $weir_owner zone=jobs:1m count=jobs-at-once max=1000
                        scope=fleet;
        weir_limit_zone $weir_owner zone=calls:1m quota=100k/month
                        scope=fleet;
        weir_limit_zone $weir_owner zone=held:1m count=requests-at-once
                        max=1000 scope=fleet;',
    location => 'weir_api; weir_limit zone=tokens on_error=deny;
                 weir_limit zone=jobs on_error=deny;
                 weir_limit zone=calls on_error=deny;
                 weir_limit zone=held on_error=deny;');

$stack->start('redis');
my $proxy = Weir::Fleet::behind_proxy($stack, 'timeout=700ms');
$stack->start(qw(mock worker nginx));


sub request {
    return $stack->request('/v1/chat/completions', body => encode_json({
        model => 'm', max_tokens => 400,
        messages => [{ role => 'user', content => $_[0] // 'Hi' }] }));
}


sub number {
    my ($zone) = @_;

    my ($key) = @{ $stack->redis('KEYS', "weir:{0}:limit:$zone:*") };
    my $state = defined $key ? $stack->redis('GET', $key) : undef;

    return defined $state ? (split ' ', $state)[0] / 1e6 : 0;
}


# places whose lease is not over

sub taken {
    my ($zone) = @_;

    my ($key) = @{ $stack->redis('KEYS', "weir:{0}:slots:$zone:*") };

    return defined $key
           && $stack->redis('ZCOUNT', $key, time * 1000, '+inf');
}


# nothing(NAME): as if nobody had been there

sub nothing {
    my ($name) = @_;

    $stack->wait_for(25, sub {
        !@{ $stack->redis('KEYS', 'weir:{0}:hold:*') }
        && !$stack->redis('ZCARD', 'weir:{0}:settle')
        && !taken('jobs')
    }, "$name: nothing is left");

    is(number('tokens'), 0, "$name: nothing is charged");
}


sub works {
    $stack->wait_for(20, sub { my $c = request('[[mock status=400]]');
                               $c->wait(5); ($c->status // 0) == 400 },
                     'it works');
}


my %at = (
    'the states are read' => { on => 'MGET' },
    'it is written' => { on => 'EXEC', with => 'charge:0' },
    'it is submitted' => { on => 'EXEC', with => 'model' },
);

works();
nothing('a job that fails');

for my $name (sort keys %at) {
    for my $how (qw(keep lose mute)) {
        $proxy->rules({ %{ $at{$name} }, $how => 1, times => 1000 });

        my @c = map { request('[[mock status=400]]') } 1 .. 20;
        eval { $c[0]->wait(0.02 * $_) } for 1 .. 3;
        $_->leave for @c[0 .. 9];
        Weir::Client::wait_all(20, @c[10 .. 19]);

        is(scalar(grep { $_->status !~ /^(?:400|503)$/ } @c[10 .. 19]), 0,
           "$how while $name: answered");

        $proxy->rules;
        works();
        nothing("$how while $name");
    }
}


# a new configuration, Redis killed, all forgotten

for my $what (qw(reload kill flush)) {
    $proxy->rules({ on => 'EXEC', with => 'charge:0', keep => 1,
                    times => 1000 });

    my @c = map { request('[[mock status=400]]') } 1 .. 10;
    $c[0]->wait(0.1);

    if ($what eq 'reload') {
        $stack->signal('nginx', 'HUP');

    } elsif ($what eq 'kill') {
        $stack->signal('redis', 'KILL');
        $stack->start('redis');

    } else {
        $stack->redis('FLUSHALL');
    }

    $_->leave for @c[0 .. 4];
    Weir::Client::wait_all(20, @c[5 .. 9]);
    $proxy->rules;
    works();
    nothing($what);
}

$stack->wait_for(15, sub { !taken('held') }, 'no request is held');

$proxy->stop;
$stack->end;
done_testing;
