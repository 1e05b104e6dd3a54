using System.Globalization;
using System.Runtime.InteropServices;

namespace Beam.ML.Vllm.Kernels;

/// <summary>
/// Binds threads to processors, where the system lets them be bound: Linux, and the first 64 processors of Windows.
/// </summary>
internal static partial class ThreadBinding
{
    /// <summary>Reads what <c>cpu_threads_bind</c> says.</summary>
    /// <param name="text"><c>nobind</c>, <c>auto</c> for all processors that this process may use, or a list like <c>0-3,6</c>.</param>
    /// <returns>A processor for each thread; null for threads that are not bound.</returns>
    /// <exception cref="ArgumentException">It is none of these, or names a processor twice or one that this process may not use.</exception>
    public static int[]? Parse(string? text)
    {
        if (text is null or "nobind") return null;
        var usable = Usable() ?? throw new ArgumentException($"cpu_threads_bind: threads cannot be bound on {RuntimeInformation.OSDescription}. Leave it out, or say nobind.");
        if (text == "auto") return usable;
        var processors = new List<int>();
        foreach (var range in text.Split(','))
        {
            var ends = range.Split('-');
            if (ends.Length > 2 || !TryParse(ends[0], out var first) || !TryParse(ends[^1], out var last) || last < first)
                throw new ArgumentException($"cpu_threads_bind must be auto, nobind or a list of processors like 0-3,6, not '{text}'.");
            processors.AddRange(Enumerable.Range(first, last - first + 1));
        }

        if (processors.Except(usable).ToArray() is { Length: > 0 } missing)
            throw new ArgumentException($"cpu_threads_bind names processor {missing[0]}, which this process may not use. It has {string.Join(", ", usable)}.");
        if (processors.Distinct().Count() < processors.Count) throw new ArgumentException($"cpu_threads_bind names a processor twice: '{text}'.");
        return [.. processors];

        static bool TryParse(string text, out int processor) =>
            int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out processor) && processor < LinuxMask.Processors;
    }

    /// <summary>Binds the calling thread. A processor that went since is no error: the thread then runs wherever it may.</summary>
    public static void Bind(int processor)
    {
        if (OperatingSystem.IsLinux())
        {
            var mask = default(LinuxMask);
            mask[processor / 64] = 1UL << (processor % 64);
            _ = SchedSetAffinity(0, LinuxMask.Bytes, ref mask);
        }
        else if (OperatingSystem.IsWindows())
        {
            _ = SetThreadAffinityMask(GetCurrentThread(), (nuint)1 << processor);
        }
    }

    private static int[]? Usable()
    {
        var mask = default(LinuxMask);
        if (OperatingSystem.IsLinux())
        {
            if (SchedGetAffinity(0, LinuxMask.Bytes, ref mask) < 0) return null;
        }
        else if (OperatingSystem.IsWindows())
        {
            using var process = System.Diagnostics.Process.GetCurrentProcess();
            mask[0] = (ulong)process.ProcessorAffinity;
        }
        else
        {
            return null;
        }

        var words = mask;
        return [.. Enumerable.Range(0, LinuxMask.Processors).Where(p => (words[p / 64] >> (p % 64) & 1) != 0)];
    }

    [LibraryImport("libc", EntryPoint = "sched_setaffinity")]
    private static partial int SchedSetAffinity(int thread, nuint bytes, ref LinuxMask mask);

    [LibraryImport("libc", EntryPoint = "sched_getaffinity")]
    private static partial int SchedGetAffinity(int thread, nuint bytes, ref LinuxMask mask);

    [LibraryImport("kernel32")]
    private static partial nint GetCurrentThread();

    [LibraryImport("kernel32")]
    private static partial nuint SetThreadAffinityMask(nint thread, nuint mask);

    /// <summary>A bit for each processor, as many as glibc's cpu_set_t has.</summary>
    [System.Runtime.CompilerServices.InlineArray(Processors / 64)]
    private struct LinuxMask
    {
        public const int Processors = 1024;
        public const int Bytes = Processors / 8;
        private ulong _word;
    }
}
