using System.Runtime.CompilerServices;

namespace Beam.ML.Vllm.Chat.Jinja;

/// <summary>
/// Bounds what one rendering may do, so that a hostile template, or a hostile conversation for an honest one, ends in an error. Whatever takes
/// time is counted where it is done, in characters that are read or written or what takes as long: all functions are linear in what they count.
/// </summary>
internal sealed class JinjaLimits(CancellationToken cancellationToken = default, long maxWork = JinjaLimits.MaxWork)
{
    /// <summary>What a rendering may come to: a few seconds at worst.</summary>
    public const long MaxWork = 256L << 20;

    /// <summary>The longest text, in UTF-16 code units.</summary>
    public const int MaxText = 64 << 20;

    /// <summary>The longest list that a template can make or walk through.</summary>
    public const int MaxItems = 1 << 20;

    /// <summary>The longest range, as in Jinja's sandbox.</summary>
    public const int MaxRange = 100_000;

    private const int StepWork = 16;
    private const int ItemWork = 4;
    private const int LookEvery = 1 << 16;
    private const int MaxDepth = 1000;

    // Honest templates look at a text a few times, and have some hundred evaluations for a message, which is at least some tokens.
    private const long BaseWork = 16 << 20;
    private const int WorkPerCharacter = 16;
    private const int WorkPerToken = 2048;

    private long _lookAt;
    private int _depth;

    public static ChatTemplateException TextTooLong => new($"the text grows beyond {MaxText} characters");

    /// <summary>What was counted so far, in characters.</summary>
    public long Work { get; private set; }

    /// <summary>Bounds in proportion to the prompt that can come of it: no more than that is any use to the model.</summary>
    /// <param name="contextLength">The tokens that the model takes.</param>
    /// <param name="characters">The size of the conversation.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    public static JinjaLimits For(int contextLength, long characters, CancellationToken cancellationToken) =>
        new(cancellationToken, Math.Min(MaxWork, BaseWork + contextLength * (long)WorkPerToken + Math.Min(characters, MaxWork) * WorkPerCharacter));

    /// <summary>Counts an evaluation.</summary>
    public void Step() => Read(StepWork);

    /// <summary>Counts a look at an item, or at a variable.</summary>
    public void Touch() => Read(ItemWork);

    /// <summary>Counts characters that are looked at.</summary>
    public void Read(long characters)
    {
        Work += Math.Min(characters, maxWork + 1);
        if (Work >= _lookAt) Look();
    }

    /// <summary>Checks the size of a text that is about to be made, and counts it.</summary>
    public void Make(long length)
    {
        if (length > MaxText) throw TextTooLong;
        Read(length);
    }

    /// <summary>Checks the size of a list that is about to be made or walked through, and counts it.</summary>
    public void Items(long count)
    {
        if (count > MaxItems) throw new ChatTemplateException($"a list grows beyond {MaxItems} items");
        Read(count * ItemWork);
    }

    /// <summary>Adds to a list, and counts it.</summary>
    public void Add(List<object> list, object item)
    {
        if (list.Count >= MaxItems) throw new ChatTemplateException($"a list grows beyond {MaxItems} items");
        Touch();
        list.Add(item);
    }

    public void Enter()
    {
        if (++_depth > MaxDepth || !RuntimeHelpers.TryEnsureSufficientExecutionStack()) throw new ChatTemplateException("the template calls itself too deeply");
    }

    /// <summary>To be called by whatever goes down into a value.</summary>
    public void EnterValue()
    {
        if (++_depth > MaxDepth || !RuntimeHelpers.TryEnsureSufficientExecutionStack()) throw new ChatTemplateException("values are nested too deeply");
    }

    /// <summary>The way back. An exception ends the rendering, so that nobody asks for the depth after one.</summary>
    public void Leave() => _depth--;

    private void Look()
    {
        if (Work > maxWork) throw new ChatTemplateException($"the template takes more than the work of {maxWork} characters");
        cancellationToken.ThrowIfCancellationRequested();
        _lookAt = Math.Min(Work + LookEvery, maxWork + 1);
    }
}
