using Beam.Cli.Engine.Chat;

namespace Beam.Cli.Tests;

public sealed class ChatTerminalTests
{
    [TestCase("abc", "abc")]
    [TestCase("abc<Left><Left>x", "axbc")]
    [TestCase("abc<Home>x<End>y", "xabcy")]
    [TestCase("abc<Backspace><Backspace>d", "ad")]
    [TestCase("abc<Home><Delete>", "bc")]
    [TestCase("<Left><Backspace><Up><Down>a", "a")]
    [TestCase("a\U0001F600<Backspace>b", "ab")]
    [TestCase("ae\u0301<Backspace>b", "ab")]
    [TestCase("one<Enter>two<Enter><Up><Up>!", "one!")]
    [TestCase("one<Enter>tw<Up><Down>o", "two")]
    [TestCase("abc\u0001\u000b", "")]
    [TestCase("ab\u0004c", "abc")]
    public void Keys_edit_the_line(string keys, string line)
    {
        var prompt = new LinePrompt(TextWriter.Null, new Keys(keys + "<Enter>").Next, () => 80);
        string? last = null;
        for (var i = 0; i <= keys.Split("<Enter>").Length - 1; i++) last = prompt.ReadLine();
        Assert.That(last, Is.EqualTo(line));
    }

    [Test]
    public void The_end_of_the_input_ends_on_a_row_of_its_own()
    {
        using var screen = new StringWriter { NewLine = "\n" };
        Assert.That(new LinePrompt(screen, new Keys("\u0004").Next, () => 80).ReadLine(), Is.Null);
        Assert.That(screen.ToString(), Does.EndWith("\n"));
    }

    [Test]
    public void A_line_that_is_longer_than_the_row_scrolls_with_the_cursor()
    {
        var editor = new LineEditor();
        foreach (var letter in "abcdefghijklmnop") editor.Press(new ConsoleKeyInfo(letter, default, shift: false, alt: false, control: false));
        Assert.That(editor.Window(10), Is.EqualTo(("hijklmnop", 9)));
        editor.Press(new ConsoleKeyInfo('\0', ConsoleKey.Home, shift: false, alt: false, control: false));
        Assert.That(editor.Window(10), Is.EqualTo(("abcdefghi", 0)));
    }

    [Test]
    public void Answers_are_broken_between_words_however_they_come()
    {
        const string Text = "The capital of France is Paris,\nand a-word-that-is-longer-than-a-row follows.";
        foreach (var size in (int[])[1, 3, Text.Length])
        {
            var wrap = new WordWrap(12);
            var shown = string.Concat(Text.Chunk(size).Select(piece => wrap.Add(new string(piece)))) + wrap.Finish();
            Assert.That(shown.Split('\n').Select(row => row.TrimEnd()), Is.EqualTo((string[])["The capital", "of France is", "Paris,", "and", "a-word-that-is-longer-than-a-row", "follows."]));
        }
    }

    private sealed class Keys(string keys)
    {
        private int _next;

        public ConsoleKeyInfo Next()
        {
            if (keys[_next] != '<') return new ConsoleKeyInfo(keys[_next++], default, shift: false, alt: false, control: false);
            var end = keys.IndexOf('>', _next);
            var name = keys[(_next + 1)..end];
            _next = end + 1;
            var key = Enum.TryParse<ConsoleKey>(name, out var found) ? found : Enum.Parse<ConsoleKey>(name + "Arrow");
            return new ConsoleKeyInfo('\0', key, shift: false, alt: false, control: false);
        }
    }
}
