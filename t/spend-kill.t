# A budget for k, and a thousand who want it; then clients, runners and nginx
# die in the middle.  Nothing stays reserved, and no more is spent than there
# is (B1, R4, RL-36).

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Stack;

use constant {
    BUDGET => 500_000,              # millionths of a dollar
    EACH   => 10_000,               # 100 tokens at 100 dollars a million
    WANT   => 1000,
    BATCH  => 250
};

my $stack = Weir::Stack->new(
    http => '
        weir_limit_zone $weir_owner zone=budget:1m count=cost
                        quota=0.50/month scope=fleet;
        weir_limit_zone $weir_owner zone=running:1m count=jobs-at-once
                        max=200 scope=fleet;
        weir_limit_zone $weir_owner zone=held:1m count=requests-at-once
                        max=400;',
    location => 'weir_api; weir_limit zone=budget; weir_limit zone=running;
                 weir_limit zone=held;',
    processes => 4,
    worker => 'drain_timeout = 30',
    worker_more => 'model "dear" { provider = "mock" output_price = 100 }');

$stack->start;

$stack->wait_for(10, sub {
    $stack->ask('/v1/models')->body =~ /"dear"/;
}, 'the catalogue');


sub body {
    my ($text) = @_;

    return encode_json({ model => 'dear', max_tokens => 100, messages => [
        { role => 'user', content => $text } ] });
}


# crowd(N, TEXT): N at once, from several processes, since each of these can
# watch some hundreds only.  Returns their pipes

sub crowd {
    my ($n, $text, $leave) = @_;

    my @pipes;

    for my $batch (1 .. $n / BATCH) {
        my $pid = open(my $pipe, '-|') // die "fork: $!";

        if ($pid == 0) {
            my @c = map { $stack->request('/v1/chat/completions',
                                          body => body($text)) } 1 .. BATCH;
            $_->leave for $leave ? @c[0 .. $leave - 1] : ();
            eval { Weir::Client::wait_all(40, @c[($leave // 0) .. $#c]) };
            print join(' ', map { $_->status // 0 } @c), "\n";
            close STDOUT;
            POSIX::_exit(0);
        }

        push @pipes, $pipe;
    }

    return @pipes;
}


sub statuses {
    my %n;

    for my $pipe (@_) {
        $n{$_}++ for split ' ', <$pipe> // '';
        close $pipe;
    }

    return \%n;
}


sub used {
    my ($key) = @{ $stack->redis('KEYS', 'weir:{0}:limit:budget:*') };

    return defined $key ? (split ' ', $stack->redis('GET', $key))[0] / 1e6
                        : 0;
}


sub ledger {
    my ($what) = @_;
    my $n = 0;

    for my $day (@{ $stack->redis('KEYS', 'weir:{0}:usage:*') }) {
        my %day = @{ $stack->redis('HGETALL', $day) };
        $n += $day{$_} for grep { /:\Q$what\E$/ } keys %day;
    }

    return $n;
}


sub settled {
    my ($what) = @_;

    $stack->wait_for(60, sub {
        !@{ $stack->redis('KEYS', 'weir:{0}:hold:*') }
        && !$stack->redis('ZCARD', 'weir:{0}:settle')
        && !@{ $stack->redis('KEYS', 'weir:{0}:slots:*') }
    }, "$what: nothing is left");

    pass("$what: nothing is left");
}


# all at once, and everybody lives

my $n = statuses(crowd(WANT, '[[mock tokens=100 delay=500]]'));

is($n->{200}, BUDGET / EACH, 'as many as the budget pays for');
is($n->{429}, WANT - BUDGET / EACH, 'the others are refused');
settled('a crowd');
is(used(), BUDGET, 'all of it is spent');
is(ledger('cost'), BUDGET, 'and in the ledger');


# and now they die

for my $round (1 .. 3) {
    $stack->redis('DEL', $_) for
        @{ $stack->redis('KEYS', 'weir:{0}:limit:*') },
        @{ $stack->redis('KEYS', 'weir:{0}:usage:*') };

    my $before = $stack->calls("r$round");
    my @pipes = crowd(WANT, "[[mock tokens=100 delay=800 tag=r$round]]", 100);

    $stack->wait_for(20, sub { $stack->calls("r$round") >= 10 }, 'at work');

    $stack->kill_child('worker');
    $stack->kill_child('nginx');

    statuses(@pipes);
    settled("round $round");

    cmp_ok(ledger('cost'), '<=', BUDGET, 'no more is spent than there is');
    is(used(), ledger('cost'), 'and what is charged was spent');
}


# no place is taken of those who died: as many fit as ever

$stack->redis('DEL', $_) for @{ $stack->redis('KEYS', 'weir:{0}:limit:*') };

$n = statuses(crowd(500, '[[mock tokens=1 delay=1500]]'));
is($n->{200}, 50, 'the budget is whole again');

$stack->end;
done_testing;
